"""The members of a zip archive as streams: read where they are, never written anywhere."""

import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.unpacking import Budget, StreamLimits, unpacked
from counterfoil.domain.intake.raw import printable
from counterfoil.errors import InputFileError

_ENCRYPTED = 0x1 | 0x40
_LONGEST_NAME = 255
_SHOWN = 60
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError, OSError, struct.error,
)  # fmt: skip


def members_of(file: BinaryIO, place: str, source: str, budget: Budget, limits: StreamLimits) -> Iterator[Part]:
    """Yield the members in the archive's order; `place` and `source` name the archive (see Part).

    What an Apple computer adds (__MACOSX, names that begin with a dot) is no member. Raises InputFileError if
    the archive is damaged or empty, or before the first member if any of them is refused.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _BROKEN:
        raise InputFileError(f"{place} is cut off or damaged: it has no zip directory at its end") from None
    with archive:
        members = [info for info in archive.infolist() if not _is_no_file(info.filename)]
        if not 0 < len(members) <= limits.most_members:
            raise InputFileError(f"{place} holds {len(members):,} files: 1 to {limits.most_members:,} can be read")
        _require_acceptable(members, place)
        for number, info in enumerate(members, start=1):
            yield _part(archive, info, number, place, source, budget)


def _part(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, number: int, place: str, source: str, budget: Budget
) -> Part:
    where = f"{place}/{info.filename}"

    def opened() -> BinaryIO:
        try:
            stream = cast(BinaryIO, archive.open(info))
        except NotImplementedError:
            raise InputFileError(f"{where} is packed in a way that is not known: use deflate") from None
        except _BROKEN:
            # Its name may be wrong as well, and a piece of the data.
            raise InputFileError(
                f"{place}: member {number} is cut off or damaged: the archive's directory is wrong about it"
            ) from None
        return unpacked(_Raw(stream), where, "zip", budget, info.file_size)

    return Part(where, f"{source}/{info.filename}", info.filename, opened)


class _Raw:
    """A member whose own errors are the ones that mean damage."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            raise EOFError from None


def _require_acceptable(members: list[zipfile.ZipInfo], place: str) -> None:
    counts = Counter(info.filename for info in members)
    for info in members:
        # What comes after a NUL is left out of `filename`.
        name = info.orig_filename
        problem = _problem(info, name) or ("stands there more than once" if counts[info.filename] > 1 else None)
        if problem:
            # In a damaged archive a name may be a piece of the data.
            raise InputFileError(f"{place}: member {printable(name)[:_SHOWN]!r} {problem}")


def _problem(info: zipfile.ZipInfo, name: str) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted: decrypt it first"
    if not info.filename:
        return "has no name: pack files with names"
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return "has an absolute path: pack files with relative names"
    if ".." in re.split(r"[/\\]", name):
        return "has '..' in its path: pack files with plain names"
    if printable(name) != name:
        return "has a name that cannot be printed or holds a card number: rename it"
    if len(name) > _LONGEST_NAME:
        return f"has a name of more than {_LONGEST_NAME} characters: rename it"
    return None


def _is_no_file(name: str) -> bool:
    """Whether a member is a folder, or one of those that an Apple computer adds."""
    path = PurePosixPath(name)
    is_hidden = path.name.startswith(".") and path.name != ".."
    return name.endswith("/") or is_hidden or path.parts[:1] == ("__MACOSX",)
