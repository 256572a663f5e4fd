"""buildah without a daemon, a registry or a namespace: `--isolation chroot`, in a store of its own."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from counterfoil.errors import CounterfoilError

BASE = "localhost/counterfoil-base"
MIRROR = "http://deb.debian.org/debian"
RELEASE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3"
"""What our Dockerfiles expect of a Python image: `python` with venv."""
CACHE = Path("~/.cache/counterfoil").expanduser()
"""Where a base is kept from one run to the next."""
_WEEK_SECONDS = 7 * 24 * 3600
FREE_GB = 6
"""A light image with its build stage and the base takes about 3 GB while it is built."""
TORCH_GB = 20
"""What an image with torch takes besides: its layers, their packed copies and the image itself."""
_END_SECONDS = 60
"""As long as ECS waits for a task that it ends (`stop_timeout` in parts/task.py)."""


class ImageError(CounterfoilError, RuntimeError):
    """An image could not be built or run; the message ends with what was said last."""


def why_not(folder: Path, with_torch: int = 0) -> str | None:
    """Why images, of which so many have torch, cannot be built here; None if they can as far as can be seen before."""
    if os.name != "posix" or os.geteuid() != 0:
        return "images are built as root only: chroot needs it"
    missing = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} is not installed: apt-get install {' '.join(missing)}"
    free, needed = shutil.disk_usage(folder).free / 1e9, FREE_GB + TORCH_GB * with_torch
    return f"{folder} has {free:.0f} GB left, and {needed} are needed" if free < needed else None


@dataclass(frozen=True)
class Buildah:
    """A store of images in `folder`, removed with it."""

    folder: Path

    def make_base(self, kept: Path = CACHE) -> None:
        """Debian with its own Python, as the image BASE; what debootstrap made serves for a week, in `kept`."""
        file = kept / f"{RELEASE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}.tar"
        if not file.is_file() or time.time() - file.stat().st_mtime > _WEEK_SECONDS:
            self._bootstrap(file)
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, str(file), "/")
        self._buildah("commit", "--quiet", "--rm", container, BASE)

    def _bootstrap(self, file: Path) -> None:
        root, aside = self.folder / "base", file.with_suffix(f".{os.getpid()}")
        _run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root), MIRROR])
        shutil.rmtree(root / "var/cache/apt/archives")
        file.parent.mkdir(parents=True, exist_ok=True)
        _run(["tar", "--create", "--file", str(aside), "--directory", str(root), "."])
        aside.replace(file)
        shutil.rmtree(root)

    def build(
        self, image: str, dockerfile: str, context: Path, mounts: Sequence[str] = (), base: str = BASE,
        *, shared: bool = False,
    ) -> None:  # fmt: skip
        """Build an image on a base from the text of a Dockerfile; what `shared` builds begin with is done once."""
        file = self.folder / f"{image}.Dockerfile"
        file.write_text(dockerfile, encoding="utf-8")
        given = [part for mount in mounts for part in ("--volume", mount)]
        self._buildah(
            # Where a layer is a whole copy, the disk would not hold them.
            "build", f"--layers={str(shared and self._driver == 'overlay').lower()}",
            "--quiet", "--isolation", "chroot", "--format", "docker", "--pull-never",
            "--build-arg", f"BASE_IMAGE={base}", *given, "--file", str(file), "--tag", image, str(context),
        )  # fmt: skip

    def run(
        self, image: str, command: Sequence[str], mounts: Sequence[str] = (), environment: Mapping[str, str] = {}
    ) -> str:
        """Run a command in a new container of the image, which is removed; return what it printed."""
        with self._container(image) as container:
            return self._buildah(*_run_in(container, command, mounts, environment))

    @contextmanager
    def started(
        self, image: str, mounts: Sequence[str] = (), environment: Mapping[str, str] = {}
    ) -> Iterator["Started"]:
        """Run the image's own entry point meanwhile."""
        command, log = self.entry_point(image), self.folder / f"{image}.log"
        with self._container(image) as container, log.open("wb") as written:
            arguments = self._command(self.folder, self._driver, *_run_in(container, command, mounts, environment))
            process = subprocess.Popen(arguments, stdout=written, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                yield Started(process, log)
            finally:
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(_END_SECONDS)

    @contextmanager
    def _container(self, image: str) -> Iterator[str]:
        container = self._buildah("from", "--pull-never", image).strip()
        try:
            yield container
        finally:
            self._buildah("rm", container)

    def entry_point(self, image: str) -> list[str]:
        """The command that the image is started with."""
        return list(self._configured(image)["Entrypoint"])

    def port(self, image: str) -> int:
        """The one port that the image exposes."""
        [exposed] = self._configured(image)["ExposedPorts"]
        return int(exposed.partition("/")[0])

    def _configured(self, image: str) -> dict[str, Any]:
        said = json.loads(self._buildah("inspect", "--type", "image", image))
        found: dict[str, Any] = said["OCIv1"]["config"]
        return found

    def size(self, image: str) -> int:
        """The bytes of the image, with its base."""
        [said] = json.loads(self._buildah("images", "--json", image))
        return _bytes(str(said["size"]))

    def _buildah(self, *arguments: str) -> str:
        return _run(self._command(self.folder, self._driver, *arguments))

    @cached_property
    def _driver(self) -> str:
        """Layers over each other where the kernel lets them; else each layer is a copy of those below it."""
        tried = subprocess.run(self._command(self.folder / "tried", "overlay", "images"), capture_output=True)
        shutil.rmtree(self.folder / "tried", ignore_errors=True)
        return "vfs" if tried.returncode else "overlay"

    def _command(self, store: Path, driver: str, *arguments: str) -> list[str]:
        where = ["--root", str(store / "images"), "--runroot", str(store / "run")]
        return ["buildah", *where, "--storage-driver", driver, *arguments]


@dataclass(frozen=True)
class Started:
    """A process of an image, and the file of what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def said(self) -> str:
        """The last lines of what it said."""
        return _last(self.log.read_text(errors="replace"))


def _run_in(container: str, command: Sequence[str], mounts: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    given = [part for mount in mounts for part in ("--volume", mount)]
    given += [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    return ["run", "--isolation", "chroot", *given, container, "--", *command]


def _last(said: str) -> str:
    return "\n".join(said.strip().splitlines()[-15:])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ImageError(f"{command[0]} ended with {done.returncode}:\n{_last(done.stdout + done.stderr)}")
    return done.stdout


def _bytes(text: str) -> int:
    """A size as buildah writes it: '1.02 GB'."""
    number, unit = text.split()
    return round(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
