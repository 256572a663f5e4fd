"""How long commands take to start, and the demo after installation, beside the build of commit 860ca29 in the same run.

Each build gets an environment of its own that has the packages of this one: the steps of the demo are processes that
see no PYTHONPATH. With `--loops 4` the demo runs once more beside as many endless loops of the same session. CPU
seconds are those of a command and of the processes it waited for.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from earlier_build import COMMIT, ROOT, checked_out

SAY = "import sys; from counterfoil.cli import main; sys.exit(main())"
READING = (("status",), ("evaluate",), ("thresholds",), ("release", "list"))
HELP = (("--help",), *((*command, "--help") for command in READING))


def own_environment(tree: Path, folder: Path) -> Path:
    """The Python of a new environment in `folder` in which the build at `tree` is installed."""
    venv.create(folder, with_pip=False)
    [packages] = folder.glob("lib/python*/site-packages")
    others = f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})"
    (packages / "build.pth").write_text("\n".join([str(tree / "src"), str(tree), others]) + "\n")
    return folder / "bin" / "python"


def took(python: Path, arguments: Sequence[str]) -> dict[str, float]:
    """Run a command; end the program with what it said if it fails."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [str(python), "-c", SAY, *arguments], capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")},
    )  # fmt: skip
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": wall, "cpu": cpu, "load": os.getloadavg()[0]}


def least(python: Path, arguments: Sequence[str], repeat: int) -> dict[str, float]:
    """The least disturbed of some runs."""
    return min((took(python, arguments) for _ in range(repeat)), key=lambda run: run["wall"])


@contextmanager
def loops(count: int) -> Iterator[None]:
    """Endless loops beside what runs meanwhile."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def demos(builds: dict[str, Path], folder: Path, repeat: int, count: int) -> Iterator[tuple[str, Any]]:
    """The demo of each build, what reads its workspace, and the demo of this build beside `count` loops."""
    for name, python in builds.items():
        yield f"demo, {name}", took(python, ("demo", "--workspace", str(folder / name)))
    for command in READING:
        for name, python in builds.items():
            found = least(python, (*command, "--workspace", str(folder / name)), repeat)
            yield f"{' '.join(command)}, {name}", found
    if count:
        with loops(count):
            found = took(builds["now"], ("demo", "--workspace", str(folder / "loaded")))
        yield f"demo, now, beside {count} loops", found


def main() -> None:
    """Print a JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7, help="Runs of each command [default: 7]")
    parser.add_argument("--demo", action="store_true", help="Run the demos too (minutes)")
    parser.add_argument("--loops", type=int, default=0, help="Endless loops beside one more demo [default: none]")
    options = parser.parse_args()
    with checked_out() as earlier, tempfile.TemporaryDirectory(prefix="cfs-", dir="/tmp") as name:
        folder = Path(name)
        builds = {
            COMMIT: own_environment(earlier, folder / "earlier"),
            "now": own_environment(ROOT, folder / "present"),
        }
        for command in HELP:
            for build, python in builds.items():
                report(f"{' '.join(command)}, {build}", least(python, command, options.repeat))
        if options.demo:
            for what, found in demos(builds, folder, options.repeat, options.loops):
                report(what, found)


def report(what: str, found: dict[str, float]) -> None:
    """Print what was measured."""
    print(json.dumps({"what": what, **{name: round(value, 3) for name, value in found.items()}}), flush=True)


if __name__ == "__main__":
    main()
