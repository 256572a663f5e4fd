"""Find the payment files in folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfoil.domain.intake.file_names import why_left_out

_NEVER_COLLECTED = (".ipynb_checkpoints", "_temporary", "__MACOSX")
"""Folders whose files are left out also where a pattern of the shell named them."""


@dataclass(frozen=True)
class FoundFiles:
    """`files` in order, each once; `left_out` is each file or folder that is not read, with the reason.

    `problems` are the folders in which there is nothing to read, or that cannot be read, with what is wrong.
    """

    files: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]
    problems: tuple[tuple[Path, str], ...]


def find_files(paths: Sequence[Path]) -> FoundFiles:
    """Return the payment files that these files and folders are or hold, folders to any depth.

    Hidden, temporary and marker files are left out. What is no folder is taken for a file, also if it is missing.
    """
    walk = _Walk()
    for path in paths:
        walk.into(path)
    return FoundFiles(tuple(walk.files.values()), tuple(walk.left_out), tuple(walk.problems))


class _Walk:
    def __init__(self) -> None:
        self.files: dict[Path, Path] = {}
        self.left_out: list[tuple[Path, str]] = []
        self.problems: list[tuple[Path, str]] = []

    def into(self, path: Path) -> None:
        if not path.is_dir():
            self._add(path, also=[name for name in path.parts[:-1] if name in _NEVER_COLLECTED])
            return
        problems = len(self.problems)
        found = [self._add(file) for file in self._in_folder(path)]
        if not any(found) and len(self.problems) == problems:
            self.problems.append((path, "holds no payment file"))

    def _add(self, path: Path, also: Sequence[str] = ()) -> bool:
        """Take in a file unless its name, or a folder in `also`, says that it is none."""
        reason = why_left_out(path.name) or next((f"in {name}" for name in also), None)
        if reason is None:
            self.files.setdefault(path.resolve(), path)
        else:
            self.left_out.append((path, reason))
        return reason is None

    def _in_folder(self, folder: Path) -> Iterator[Path]:
        for place, folders, names in os.walk(folder, onerror=self._unreadable):
            here = Path(place)
            for name in sorted(folders):
                reason = why_left_out(name) or ("a link to a folder" if (here / name).is_symlink() else None)
                if reason is not None:
                    self.left_out.append((here / name, reason))
                    folders.remove(name)
            folders.sort()
            yield from (here / name for name in sorted(names))

    def _unreadable(self, error: OSError) -> None:
        self.problems.append((Path(error.filename), f"cannot be read: {error.strerror}"))
