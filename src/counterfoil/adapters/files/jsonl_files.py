"""Read JSON: one object a line, several on a line (as Firehose writes them), each on several, in arrays or wrappers.

Records have the number of their line; where lines hold several, each record after the first has the next number. A line
that is no object costs that line only. Objects in arrays or wrappers, or on several lines, are numbered from 1.
"""

import codecs
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from counterfoil.adapters.files.json_blocks import FEWEST_LINES, Blocks, Shapes, runs
from counterfoil.adapters.files.json_pieces import CUT_OFF, are_objects, is_spread_over_lines, pieces
from counterfoil.adapters.files.json_shapes import Lines
from counterfoil.adapters.files.json_wrappers import LOOK_AHEAD, Wrapper, usual_wrapper, wrapper_at
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake.json_records import Json, cells, names, parse_record, require_no_truth_value
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import BYTES_UNREADABLE, BadRecordError, RawBatch
from counterfoil.errors import InputFileError

MOST_LINE_BYTES = 1 << 20
_LINES_FOR_COLUMNS = 1_000
_CHUNK_BYTES = 1 << 18
_START_BYTES = LOOK_AHEAD
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[[\s,\[\]]*(?=\{|\Z)")
_MAY_BE_SEVERAL = ("json_broken", BYTES_UNREADABLE)
_CUT_OFF = BadRecordError("json_cut_off", "the file ends within its array: records that were in it may be missing")
_TRUTH_VALUES = {"true", "false"}

Record = Json | BadRecordError
"""A record, or why it is none."""
CellsOf = Callable[[Json, Sequence[str]], list[str | None]]


def columns(part: Part, style: FileFormat) -> list[str]:
    """Return the dotted names in the first thousand lines. Raises InputFileError if these hold no object at all."""
    found: dict[str, None] = {}
    for _, record in itertools.islice(_records(part, style), _LINES_FOR_COLUMNS):
        if not isinstance(record, BadRecordError):
            found.update(dict.fromkeys(names(record)))
    if not found:
        raise InputFileError(f"{part.place}: the first lines hold no JSON object with a value in it (file.format)")
    return list(found)


def batches(part: Part, mapping: SourceMapping, cells_of: CellsOf = cells) -> Iterator[RawBatch]:
    """Yield the lines of a file, rows and rejected ones; blank lines are neither. Raises InputFileError.

    `cells_of` gives the texts of an object in some columns, or raises BadRecordError.
    """
    reading = _Reading(part, mapping, cells_of)
    is_utf8 = codecs.lookup(mapping.file.encoding).name == "utf-8"
    if is_utf8 and cells_of is cells and _layout_of(part, mapping.file).is_of_lines:
        with part.open() as stream:
            yield from _batches_of_lines(stream, reading)
    else:
        yield from reading.batches(_records(part, mapping.file))


class _Reading:
    """Makes batches of records, which are numbered by line."""

    def __init__(self, part: Part, mapping: SourceMapping, cells_of: CellsOf) -> None:
        self.style = mapping.file
        self.gathered = Gathered(part, mapping)
        self.shapes = Shapes(mapping.source_columns, mapping.file.null_values, mapping.identifying_columns)
        self._wanted = mapping.source_columns
        self._ids = mapping.identifying_columns
        self._cells_of = cells_of

    def add(self, number: int, record: Json | BadRecordError) -> None:
        """Take in a record, or why it is none."""
        try:
            if isinstance(record, BadRecordError):
                raise record
            texts = self._cells_of(record, self._wanted)
            if not _TRUTH_VALUES.isdisjoint(texts):
                require_no_truth_value(record, self._ids)
            self.gathered.add(number, texts)
        except BadRecordError as why:
            self.gathered.refuse(number, why)

    def batches(self, records: Iterable[tuple[int, Json | BadRecordError]]) -> Iterator[RawBatch]:
        """Yield batches of numbered records; each but the last is full."""
        for number, record in records:
            self.add(number, record)
            if self.gathered.is_full:
                yield self.gathered.take()
        if len(self.gathered):
            yield self.gathered.take()


def _batches_of_lines(stream: BinaryIO, reading: _Reading) -> Iterator[RawBatch]:
    blocks, numbers, line = Blocks(stream, MOST_LINE_BYTES), _Numbers(), 1
    for content, breaks in blocks:
        if len(breaks) < FEWEST_LINES or not content.endswith(b"\n"):
            yield from reading.batches(numbers.of(_records_of_lines(io.BytesIO(content), reading.style, line)))
        else:
            batch = _batch_of_block(Lines(content, breaks), reading, numbers, line)
            yield from [batch] if batch.records else []
        line += len(breaks)
    if blocks.rest is not None:
        yield from reading.batches(numbers.of(_records_of_lines(blocks.rest, reading.style, line)))


def _batch_of_block(lines: Lines, reading: _Reading, numbers: "_Numbers", first: int) -> RawBatch:
    """Read the lines that are written alike at once and the others one by one; `first` is the number of the first."""
    rows, table = reading.shapes.read(lines)
    is_read = np.zeros(len(lines.ends), np.bool_)
    is_read[rows] = True
    found = np.arange(first, first + len(lines.ends))
    for begin, end, are_read in runs(is_read):
        if are_read:
            found[begin:end] += numbers.ahead(first + begin, end - begin)
        else:
            content = io.BytesIO(lines.content[lines.starts[begin] : lines.ends[end - 1] + 1])
            for number, record in numbers.of(_records_of_lines(content, reading.style, first + begin)):
                reading.add(number, record)
    others = reading.gathered.take()
    places = np.concatenate([found[is_read], others.lines.to_numpy()])
    if len(others.lines) == 0:
        return replace(others, table=table, lines=pa.array(places))
    order = pa.array(np.argsort(places))
    table = pa.concat_tables([table, others.table]).take(order).combine_chunks()
    return replace(others, table=table, lines=pa.array(places).take(order))


class _Numbers:
    """Numbers records by their lines; where a line holds several, each after the first has the next number."""

    def __init__(self) -> None:
        self._last = 0

    def of(self, records: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
        """Yield the records with their numbers in place of their lines."""
        for line, record in records:
            self._last = max(line, self._last + 1)
            yield self._last, record

    def ahead(self, line: int, count: int) -> int:
        """Number `count` lines of one record each; return by how much their numbers are more than their lines."""
        ahead = max(0, self._last + 1 - line)
        self._last = line + count - 1 + ahead
        return ahead


def _start(part: Part) -> bytes:
    with part.open() as stream:
        start = stream.read(_START_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or b"\0\0" in (
        start[:4:2],
        start[1:4:2],
    ):
        raise InputFileError(f"{part.place} is UTF-16 or UTF-32, and JSON is read as UTF-8: convert the file")
    return start


@dataclass(frozen=True)
class _Layout:
    """How the objects of a file stand: on a line each, or in arrays, in wrappers or spread over lines."""

    is_of_lines: bool = False
    in_arrays: bool = False
    wrapper: Wrapper | None = None
    has_mark: bool = False


def _layout_of(part: Part, style: FileFormat) -> _Layout:
    """Raises InputFileError if the file has not the array that the mapping names."""
    start = _start(part)
    has_mark = start.startswith(codecs.BOM_UTF8)
    text = start.decode(style.encoding, "replace").lstrip("\ufeff \t\r\n")
    if style.records and text:
        named = wrapper_at(style.records)
        if named.begin.match(text) is None:
            raise InputFileError(
                f"{part.place} does not begin with an object with an array {style.records!r} (file.records)"
            )
        return _Layout(wrapper=named, has_mark=has_mark)
    wrapper = usual_wrapper(text)
    if wrapper is not None or _ARRAY.match(start) is not None:
        return _Layout(in_arrays=wrapper is None, wrapper=wrapper, has_mark=has_mark)
    return _Layout(not is_spread_over_lines(start, style.encoding), has_mark=has_mark)


def _records(part: Part, style: FileFormat) -> Iterator[tuple[int, Record]]:
    """Yield each record with its number, or why it is none."""
    layout = _layout_of(part, style)
    with part.open() as stream:
        if layout.is_of_lines:
            yield from _Numbers().of(_records_of_lines(stream, style))
            return
        if layout.has_mark:
            stream.read(len(codecs.BOM_UTF8))
        read = partial(stream.read, _CHUNK_BYTES)
        found = pieces(read, style.encoding, MOST_LINE_BYTES, in_arrays=layout.in_arrays, wrapper=layout.wrapper)
        for number, piece in enumerate(found, 1):
            yield number, _CUT_OFF if piece == CUT_OFF else _read(piece, style)


def _records_of_lines(stream: BinaryIO, style: FileFormat, first: int = 1) -> Iterator[tuple[int, Record]]:
    """Yield each record with its line; `first` is the number of the first line."""
    for line_number, line in _lines(stream, style.encoding, first):
        record = _read(line, style)
        several = None
        if line is not None and isinstance(record, BadRecordError) and record.reason in _MAY_BE_SEVERAL:
            several = are_objects(line, style.encoding)
        for found in [record] if several is None else [_read(piece, style) for piece in several]:
            yield line_number, found


def _read(line: bytes | None, style: FileFormat) -> Record:
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
        raise BadRecordError(BYTES_UNREADABLE, f"the line is not {style.encoding} text: set file.encoding") from None
    return parse_record(text)


def _lines(stream: BinaryIO, encoding: str, first: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number, from `first`, and the bytes of each line that is not blank.

    A line that is too long comes in pieces, if it holds several objects; None stands for what is too long itself.
    """
    for number in itertools.count(first):
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
