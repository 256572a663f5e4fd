"""What a build takes from this machine: how pip is configured, and the folders that this names."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_KEYS = ("index-url", "extra-index-url", "find-links", "constraint", "cert", "default-timeout")


def pip_configuration() -> dict[str, str]:
    """pip's settings by name; the environment's win over the files'."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, str] = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        if (key := name.rpartition(".")[2]) in _KEYS:
            found[key] = ast.literal_eval(value)
    return found


def mounts(configuration: dict[str, str], file: Path) -> list[str]:
    """Write the configuration to `file`; return what `--volume` needs to bring it and the paths that it names."""
    lines = [f"{key} = {value}" for key, value in configuration.items()]
    file.write_text("\n".join(["[global]", *lines]) + "\n", encoding="utf-8")
    named = {path for value in configuration.values() for path in _paths(value)}
    return [f"{file}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(named))]


def _paths(value: str) -> Iterator[Path]:
    for word in value.split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            # The pages of a package index lie in `simple`, and refer to files beside it.
            yield path.parent if path.name == "simple" else path
