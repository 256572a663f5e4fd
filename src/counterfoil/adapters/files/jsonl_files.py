"""Read JSON: one object a line, several on a line (as Firehose writes them), each on several lines, or in arrays.

Records have the number of their line; where lines hold several, each record after the first has the next number. A line
that is no object costs that line only. Objects in arrays or on several lines are numbered from 1.
"""

import codecs
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO

from counterfoil.adapters.files.json_pieces import are_objects, is_spread_over_lines, pieces
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake.json_records import Json, cells, names, parse_record
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.errors import InputFileError

MOST_LINE_BYTES = 1 << 20
_LINES_FOR_COLUMNS = 1_000
_CHUNK_BYTES = 1 << 18
_START_BYTES = 1 << 16
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[[\s,\[\]]*(?=\{|\Z)")
_BROKEN = "json_broken"


def columns(part: Part, style: FileFormat) -> list[str]:
    """Return the dotted names in the first thousand lines. Raises InputFileError if these hold no object at all."""
    found: dict[str, None] = {}
    for _, record in itertools.islice(_records(part, style), _LINES_FOR_COLUMNS):
        if not isinstance(record, BadRecordError):
            found.update(dict.fromkeys(names(record)))
    if not found:
        raise InputFileError(f"{part.place}: the first lines hold no JSON object with a value in it (file.format)")
    return list(found)


def batches(
    part: Part, mapping: SourceMapping, cells_of: Callable[[Json, Sequence[str]], list[str | None]] = cells
) -> Iterator[RawBatch]:
    """Yield the lines of a file, rows and rejected ones; blank lines are neither. Raises InputFileError.

    `cells_of` gives the texts of an object in some columns, or raises BadRecordError.
    """
    gathered, wanted = Gathered(part, mapping), mapping.source_columns
    for number, record in _records(part, mapping.file):
        try:
            if isinstance(record, BadRecordError):
                raise record
            gathered.add(number, cells_of(record, wanted))
        except BadRecordError as why:
            gathered.refuse(number, why)
        if gathered.is_full:
            yield gathered.take()
    if len(gathered):
        yield gathered.take()


def _records(part: Part, style: FileFormat) -> Iterator[tuple[int, Json | BadRecordError]]:
    """Yield each record with its number, or why it is none."""
    with part.open() as stream:
        start = stream.read(_START_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputFileError(
            f"{part.place} begins with the mark of UTF-16, and JSON is read as UTF-8: convert the file"
        )
    in_arrays = _ARRAY.match(start) is not None
    with part.open() as stream:
        if not in_arrays and not is_spread_over_lines(start, style.encoding):
            yield from _records_of_lines(stream, style)
            return
        if start.startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        read = partial(stream.read, _CHUNK_BYTES)
        for number, piece in enumerate(pieces(read, style.encoding, MOST_LINE_BYTES, in_arrays=in_arrays), 1):
            yield number, _read(piece, style)


def _records_of_lines(stream: BinaryIO, style: FileFormat) -> Iterator[tuple[int, Json | BadRecordError]]:
    last = 0
    for line_number, line in _lines(stream, style.encoding):
        record = _read(line, style)
        several = None
        if line is not None and isinstance(record, BadRecordError) and record.reason == _BROKEN:
            several = are_objects(line, style.encoding)
        for found in [record] if several is None else [_read(piece, style) for piece in several]:
            last = max(line_number, last + 1)
            yield last, found


def _read(line: bytes | None, style: FileFormat) -> Json | BadRecordError:
    try:
        return _record(line, style)
    except BadRecordError as why:
        return why


def _record(line: bytes | None, style: FileFormat) -> Json:
    if line is None:
        raise BadRecordError("line_too_long", f"the line has more than {MOST_LINE_BYTES:,} bytes")
    try:
        text = line.decode(style.encoding)
    except UnicodeError:
        raise BadRecordError("bytes_unreadable", f"the line is not {style.encoding} text: set file.encoding") from None
    return parse_record(text)


def _lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number, from 1, and the bytes of each line that is not blank.

    A line that is too long comes in pieces, if it holds several objects; None stands for what is too long itself.
    """
    for number in itertools.count(1):
        line = stream.readline(MOST_LINE_BYTES + 1)
        if not line:
            return
        is_cut = len(line) > MOST_LINE_BYTES and not line.endswith(b"\n")
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if is_cut:
            rest = _RestOfLine(stream, line)
            for piece in pieces(rest, encoding, MOST_LINE_BYTES) if line.startswith(b"{") else (None,):
                yield number, piece
            rest.skip()
        elif line.strip():
            yield number, line


class _RestOfLine:
    """Returns a line piece by piece: what was read of it, then what is left; no bytes at its end."""

    def __init__(self, stream: BinaryIO, begun: bytes) -> None:
        self._stream = stream
        self._begun = begun
        self._ended = False

    def __call__(self) -> bytes:
        if self._begun:
            begun, self._begun = self._begun, b""
            return begun
        rest = b"" if self._ended else self._stream.readline(_CHUNK_BYTES)
        self._ended = not rest or rest.endswith(b"\n")
        return rest

    def skip(self) -> None:
        """Pass over what is left."""
        self._begun = b""
        while self():
            pass
