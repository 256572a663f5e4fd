"""Read JSON Lines: one object a line, with the line's number. A line that is no object costs that line only."""

import codecs
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake.json_records import Json, cells, names, parse_record
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.errors import InputFileError

MOST_LINE_BYTES = 1 << 20
_LINES_FOR_COLUMNS = 1_000


def columns(part: Part, style: FileFormat) -> list[str]:
    """Return the dotted names in the first thousand lines. Raises InputFileError if these hold no object at all."""
    found: dict[str, None] = {}
    with part.open() as stream:
        for _, line in itertools.islice(_lines(stream), _LINES_FOR_COLUMNS):
            try:
                found.update(dict.fromkeys(names(_record(line, style))))
            except BadRecordError:
                continue
    if not found:
        raise InputFileError(f"{part.place}: the first lines hold no JSON object with a value in it (file.format)")
    return list(found)


def batches(
    part: Part, mapping: SourceMapping, cells_of: Callable[[Json, Sequence[str]], list[str | None]] = cells
) -> Iterator[RawBatch]:
    """Yield the lines of a file, rows and rejected ones; blank lines are neither. Raises InputFileError.

    `cells_of` gives the texts of an object in some columns, or raises BadRecordError.
    """
    gathered = Gathered(part, mapping)
    with part.open() as stream:
        for number, line in _lines(stream):
            try:
                gathered.add(number, cells_of(_record(line, mapping.file), mapping.source_columns))
            except BadRecordError as why:
                gathered.refuse(number, why)
            if gathered.is_full:
                yield gathered.take()
    if len(gathered):
        yield gathered.take()


def _record(line: bytes | None, style: FileFormat) -> Json:
    if line is None:
        raise BadRecordError("line_too_long", f"the line has more than {MOST_LINE_BYTES:,} bytes")
    try:
        text = line.decode(style.encoding)
    except UnicodeError:
        raise BadRecordError("bytes_unreadable", f"the line is not {style.encoding} text") from None
    return parse_record(text)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number, from 1, and the bytes of each line that is not blank; None for one that is too long."""
    for number in itertools.count(1):
        line = stream.readline(MOST_LINE_BYTES + 1)
        if not line:
            return
        if len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
            _skip_rest(stream)
            yield number, None
            continue
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if line.strip():
            yield number, line


def _skip_rest(stream: BinaryIO) -> None:
    while True:
        rest = stream.readline(MOST_LINE_BYTES)
        if not rest or rest.endswith(b"\n"):
            return
