"""What an image is here: the folder of its container, run by this interpreter."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterfoil.errors import PipelineError

ML_ROOT = "/opt/ml"
ENTRYPOINT = ("python", "/opt/counterfoil/main.py")

_IMAGE = re.compile(r"(?:.*/)?counterfoil-(?P<name>[a-z0-9][a-z0-9_-]*)(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?")


def container_folder(specification: Mapping[str, Any], containers: Path) -> Path:
    """Return the folder of an image, below `containers`. Raises PipelineError naming image and entry point."""
    image, entrypoint = specification.get("ImageUri"), specification.get("ContainerEntrypoint")
    match = _IMAGE.fullmatch(str(image))
    folder = containers / match["name"] if match else None
    if folder is None or not (folder / "main.py").is_file():
        there = ", ".join(sorted(path.parent.name for path in containers.glob("*/main.py"))) or "none"
        raise PipelineError(
            f"image {image!r} (entry point {entrypoint!r}) has no folder in {containers}: an image "
            f"'<registry>/counterfoil-NAME:<tag>' is run as NAME/main.py, and NAME is one of: {there}"
        )
    if tuple(entrypoint or ()) != ENTRYPOINT:
        raise PipelineError(
            f"image {image!r} has the entry point {entrypoint!r}: the local session runs only {list(ENTRYPOINT)!r}"
        )
    return folder


def command(folder: Path, arguments: Sequence[str], ml_root: Path) -> list[str]:
    """Return the command of a container's process; paths below /opt/ml become paths below `ml_root`."""
    return [sys.executable, str(folder / "main.py"), *(_here(argument, ml_root) for argument in arguments)]


def _here(argument: str, ml_root: Path) -> str:
    if argument == ML_ROOT or argument.startswith(f"{ML_ROOT}/"):
        return f"{ml_root}{argument.removeprefix(ML_ROOT)}"
    return argument


def local_folder(path: str, ml_root: Path) -> Path:
    """Return where a LocalPath of the contract is for one instance."""
    return Path(_here(path, ml_root))
