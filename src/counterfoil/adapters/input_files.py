"""Input files of every format: an InputReader that goes by the format of the mapping."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from counterfoil.adapters import csv_files, parquet_files
from counterfoil.domain.mapping_check import column_problems
from counterfoil.domain.mapping_model import SourceMapping
from counterfoil.domain.raw import RawBatch
from counterfoil.errors import InputFileError, MappingError
from counterfoil.ports import SourceFile


class InputFiles:
    """An InputReader for files of this machine."""

    def columns(self, path: Path, mapping: SourceMapping) -> list[str]:
        """Return the names of the file's columns. Raises InputFileError."""
        if mapping.file.format == "parquet":
            return parquet_files.columns(path)
        return csv_files.columns(path, mapping.file)

    def batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
        """Yield the file's records in order, in bounded memory.

        Raises MappingError if a column that the mapping reads is missing or doubled, InputFileError if the
        file is missing, damaged, or of another format.
        """
        problems = list(column_problems(mapping, self.columns(path, mapping)))
        if problems:
            raise MappingError("\n".join(f"mapping {mapping.name!r}: {problem}" for problem in problems))
        if mapping.file.format == "parquet":
            yield from parquet_files.batches(path, mapping)
        else:
            yield from csv_files.batches(path, mapping)

    def fingerprint(self, path: Path) -> SourceFile:
        """Return the file's absolute location and the SHA-256 of its bytes. Raises InputFileError."""
        return SourceFile(str(path.resolve()), content_hash(path))


def content_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes, in bounded memory. Raises InputFileError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror}") from None
