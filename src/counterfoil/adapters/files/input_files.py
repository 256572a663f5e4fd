"""Input files of every format: an InputReader that goes by the format of the mapping."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from counterfoil.adapters.files import (
    csv_files,
    iso8583_files,
    iso20022_files,
    jsonl_files,
    mt103_files,
    mt940_files,
    nacha_files,
    parquet_files,
)
from counterfoil.adapters.files.input_streams import parts_of
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.unpacking import StreamLimits
from counterfoil.domain.intake import camt, iso20022
from counterfoil.domain.intake.mapping_check import column_problems
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import RawBatch, printable
from counterfoil.errors import InputFileError, MappingError
from counterfoil.ports.lake import SourceFile


class _Format(Protocol):
    def columns(self, part: Part, style: FileFormat) -> list[str]: ...
    def batches(self, part: Part, mapping: SourceMapping) -> Iterator[RawBatch]: ...


_FORMATS: Mapping[str, _Format] = {
    "csv": csv_files,
    "jsonl": jsonl_files,
    **dict.fromkeys(iso20022.KINDS, iso20022_files),
    **dict.fromkeys(camt.READ_BY, iso20022_files),
    "mt940": mt940_files,
    "mt942": mt940_files,
    "mt103": mt103_files,
    "nacha": nacha_files,
    "iso8583": iso8583_files,
}
"""The formats that are read from front to back; Parquet is not."""


class InputFiles:
    """An InputReader for files of this machine."""

    def __init__(self, limits: StreamLimits = StreamLimits()) -> None:
        self._limits = limits

    def columns(self, path: Path, mapping: SourceMapping) -> list[str]:
        """Return the names of the file's columns; of an archive's first member. Raises InputFileError."""
        if mapping.file.format == "parquet":
            return parquet_files.columns(path)
        with _failures_named(path), closing(parts_of(path, self._limits)) as parts:
            return _FORMATS[mapping.file.format].columns(next(parts), mapping.file)

    def header_hint(self, path: Path, mapping: SourceMapping) -> str | None:
        """Say what may be wrong with the header of a CSV file that lacks columns; of an archive's first member."""
        if mapping.file.format == "parquet":
            return None
        with _failures_named(path), closing(parts_of(path, self._limits)) as parts:
            return _hint(next(parts), mapping)

    def batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
        """Yield the file's records in order, in bounded memory; an archive's members one after another.

        Raises MappingError if a column that the mapping reads is missing or doubled, InputFileError if the
        file is missing, damaged, or of another format.
        """
        with _failures_named(path):
            yield from self._batches(path, mapping)

    def _batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
        if mapping.file.format == "parquet":
            _require_columns(mapping, self.columns(path, mapping), member=None)
            yield from parquet_files.batches(path, mapping)
            return
        for part in parts_of(path, self._limits):
            reading = _FORMATS[mapping.file.format]
            if not mapping.file.names_each_value:  # else a row that lacks something is refused by itself
                _require_columns(
                    mapping, reading.columns(part, mapping.file), part.member, partial(_hint, part, mapping)
                )
            yield from reading.batches(part, mapping)

    def fingerprint(self, path: Path) -> SourceFile:
        """Return the file's absolute location and the SHA-256 of its bytes. Raises InputFileError."""
        return SourceFile(printable(str(path.resolve())), content_hash(path))


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except InputFileError:
        raise
    except OSError as error:  # the disk or the network, in the middle of the file
        raise InputFileError(f"{printable(str(path))} cannot be read: {error.strerror}") from None


def content_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes, in bounded memory. Raises InputFileError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputFileError(f"{printable(str(path))} cannot be read: {error.strerror}") from None


def _hint(part: Part, mapping: SourceMapping) -> str | None:
    return csv_files.header_hint(part, mapping) if mapping.file.format == "csv" else None


def _require_columns(
    mapping: SourceMapping, columns: list[str], member: str | None, hint: Callable[[], str | None] = lambda: None
) -> None:
    where = "" if member is None else f"{member}: "
    problems = [f"mapping {mapping.name!r}: {where}{problem}" for problem in column_problems(mapping, columns)]
    if problems:
        problems += filter(None, [hint()])
        raise MappingError("\n".join(problems))
