"""buildah without a daemon, a registry or a namespace: `--isolation chroot`, in a store of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfoil.errors import CounterfoilError

BASE = "localhost/counterfoil-base"
MIRROR = "http://deb.debian.org/debian"
RELEASE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3"
"""What our Dockerfiles expect of a Python image: `python` with venv."""
FREE_GB = 6
"""A light image with its build stage and the base takes about 3 GB while it is built."""


class ImageError(CounterfoilError, RuntimeError):
    """An image could not be built or run; the message ends with what was said last."""


def why_not(folder: Path) -> str | None:
    """Why images cannot be built here; None if they can as far as can be seen before."""
    if os.name != "posix" or os.geteuid() != 0:
        return "images are built as root only: chroot needs it"
    missing = [name for name in ("buildah", "debootstrap") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} is not installed: apt-get install {' '.join(missing)}"
    free = shutil.disk_usage(folder).free / 1e9
    return f"{folder} has {free:.0f} GB left, and {FREE_GB} are needed" if free < FREE_GB else None


@dataclass(frozen=True)
class Buildah:
    """A store of images in `folder`, removed with it."""

    folder: Path

    def make_base(self) -> None:
        """Debian with its own Python, as the image BASE."""
        root = self.folder / "base"
        _run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root), MIRROR])
        shutil.rmtree(root / "var/cache/apt/archives")
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, str(root), "/")
        self._buildah("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(root)

    def build(self, image: str, dockerfile: str, context: Path, mounts: Sequence[str] = ()) -> None:
        """Build an image on BASE from the text of a Dockerfile."""
        file = self.folder / f"{image}.Dockerfile"
        file.write_text(dockerfile, encoding="utf-8")
        given = [part for mount in mounts for part in ("--volume", mount)]
        self._buildah(
            "build", "--quiet", "--isolation", "chroot", "--format", "docker", "--pull-never",
            "--build-arg", f"BASE_IMAGE={BASE}", *given, "--file", str(file), "--tag", image, str(context),
        )  # fmt: skip

    def run(
        self, image: str, command: Sequence[str], mounts: Sequence[str] = (), environment: Mapping[str, str] = {}
    ) -> str:
        """Run a command in a new container of the image, which is removed; return what it printed."""
        container = self._buildah("from", "--pull-never", image).strip()
        given = [part for mount in mounts for part in ("--volume", mount)]
        given += [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        try:
            return self._buildah("run", "--isolation", "chroot", *given, container, "--", *command)
        finally:
            self._buildah("rm", container)

    def entry_point(self, image: str) -> list[str]:
        """The command that the image is started with."""
        said = json.loads(self._buildah("inspect", "--type", "image", image))
        command: list[str] = said["OCIv1"]["config"]["Entrypoint"]
        return command

    def size(self, image: str) -> int:
        """The bytes of the image, with its base."""
        [said] = json.loads(self._buildah("images", "--json", image))
        return _bytes(str(said["size"]))

    def _buildah(self, *arguments: str) -> str:
        where = ["--root", str(self.folder / "images"), "--runroot", str(self.folder / "run")]
        return _run(["buildah", *where, "--storage-driver", "vfs", *arguments])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ImageError(f"{' '.join(command[:1])} ended with {done.returncode}:\n{last}")
    return done.stdout


def _bytes(text: str) -> int:
    """A size as buildah writes it: '1.02 GB'."""
    number, unit = text.split()
    return round(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
