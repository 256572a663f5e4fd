"""Read card messages of ISO 8583 that were written as JSON, one object a line, numbered by line."""

from collections.abc import Iterator

from counterfoil.adapters.files import jsonl_files
from counterfoil.adapters.files.parts import Part
from counterfoil.domain.intake import iso8583
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import RawBatch


def columns(part: Part, style: FileFormat) -> list[str]:  # noqa: ARG001
    """Return the columns that a message can have, whatever is in this file."""
    return list(iso8583.COLUMNS)


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the messages of a file; whatever is none costs its line only."""
    yield from jsonl_files.batches(part, mapping, iso8583.cells)
