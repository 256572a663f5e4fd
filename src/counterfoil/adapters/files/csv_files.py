"""Read CSV files as batches of text with the line and the record number of every row.

Memory is bounded by the block size, whatever the size of the file.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv

from counterfoil.adapters.files.csv_layout import SURPLUS, Layout, WithHeader, layout_of
from counterfoil.adapters.files.csv_quotes import Requoted, TooLongError
from counterfoil.adapters.files.csv_records import Records, without_longer
from counterfoil.adapters.files.csv_signs import CsvSigns
from counterfoil.adapters.files.line_payments import lines_of
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.physical_lines import Followed, PhysicalLines
from counterfoil.adapters.files.unpacking import Readable
from counterfoil.adapters.files.unreadable_text import NO_TEXT, without_unreadable
from counterfoil.adapters.files.utf8_streams import MARK, ON_NO_TEXT, as_utf8, unreadable_byte
from counterfoil.domain.arrays import which_hold
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError

BLOCK_BYTES = 8 << 20
"""Larger blocks were no faster and took more memory; a record may not be longer than this."""

_HEADER_BYTES = 1 << 18
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OF_MARKS = {"utf-8": ("utf-8",), "utf-16": ("utf-16", "utf-32")}
"""What a file begins with -> its encoding -> the beginnings of Python's names of encodings that go with it."""


def columns(part: Part, style: FileFormat) -> list[str]:
    """Return the names in the header. Raises InputFileError if there is none or it cannot be read."""
    names = _layout(part, style).names
    bare = [name.strip() for name in names if name != name.strip() and name.strip() not in names]
    return [*(name for name in names if not name.startswith(SURPLUS)), *bare]


def _layout(part: Part, style: FileFormat) -> Layout:
    _require_declared(part, style)
    try:
        # Blank lines before the header are no header; Arrow skips them too.
        layout = layout_of(_start(part, style), style)
    except (UnicodeError, csv.Error):
        raise InputFileError(
            f"{part.place}: the header is not {style.encoding} text with {style.delimiter!r} between columns"
        ) from None
    if layout is None:
        raise InputFileError(f"{part.place} is empty: it has not even a header")
    return layout


def _require_declared(part: Part, style: FileFormat) -> None:
    """Raise InputFileError for a file whose first bytes say that it is in another encoding than the mapping says."""
    with part.open() as raw:
        start = raw.read(_HEADER_BYTES)
    said = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    if said is not None and not codecs.lookup(style.encoding).name.startswith(_OF_MARKS[said]):
        raise InputFileError(
            f"{part.place} begins with the mark of {said.upper()} and the mapping reads it as {style.encoding}: "
            f"write file.encoding = '{said}'"
        )
    if start and b"\0" not in start and codecs.lookup(style.encoding).name.startswith(_OF_MARKS["utf-16"]):
        raise InputFileError(f"{part.place} is not {style.encoding}, which has zero bytes: set file.encoding")


def header_hint(part: Part, mapping: SourceMapping) -> str | None:
    """Say what may be wrong with a header that lacks columns which the mapping reads: its encoding, or its place."""
    try:
        return _header_is_no_text(part, mapping.file) or _later_header(part, mapping)
    except (UnicodeError, csv.Error):
        return None


def _header_is_no_text(part: Part, style: FileFormat) -> str | None:
    layout = layout_of(_start(part, style, ON_NO_TEXT), style)
    byte = None if layout is None else next(filter(None, map(unreadable_byte, layout.names)), None)
    if layout is None or byte is None:
        return None
    return f"{part.place}: line {layout.lines}, the header, holds {_no_text(byte, style.encoding)}"


def _later_header(part: Part, mapping: SourceMapping) -> str | None:
    wanted = set(mapping.source_columns)
    line = next((line for line, row in _first_rows(part, mapping.file) if wanted <= set(row)), None)
    if line is None or line == mapping.file.skip_lines + 1:
        return None
    return f"the header seems to be line {line}: write file.skip_lines = {line - 1} for the lines above it"


def _start(part: Part, style: FileFormat, on_no_text: str = "replace") -> str:
    with part.open() as raw:
        start = raw.read(_HEADER_BYTES)
    # Bytes that are no text are replaced: they may stand in a later row. Some encodings leave a mark at the start.
    return start.decode(style.encoding, on_no_text).removeprefix("\ufeff")


def _first_rows(part: Part, style: FileFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows at the beginning of a file, with the number of the line that each ends on."""
    text = io.StringIO(_start(part, style), newline="")
    rows = csv.reader(
        text, delimiter=style.delimiter, quotechar=style.quote or None,
        quoting=csv.QUOTE_MINIMAL if style.quote else csv.QUOTE_NONE,
        escapechar=(style.escape or None) if style.escape != style.quote else None,
    )  # fmt: skip
    for row in rows:
        yield rows.line_num, row


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the rows of a file whose header is known to fit the mapping.

    Raises InputFileError if the file is cut off or a record is too long.
    """
    layout = _layout(part, mapping.file).known_by(mapping.source_columns)
    state = Records(part, layout, (*mapping.source_columns, *layout.surplus))
    try:
        with part.open() as raw:
            reader = _reader(_source(raw, mapping, layout, state.physical), layout, state)
            if reader is not None:
                yield from _numbered(reader, mapping, layout, state)
    except InputFileError:
        raise
    except TooLongError:
        raise _too_long(part.place) from None
    except UnicodeError:
        raise InputFileError(f"{part.place} is not {mapping.file.encoding}: set file.encoding") from None
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(part.place, error) from None


class _ForArrow(io.RawIOBase):
    """A stream with all that Arrow asks of a file."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _source(raw: BinaryIO, mapping: SourceMapping, layout: Layout, lines: PhysicalLines) -> _ForArrow:
    """The file's text under its header, with its quotes put right where its writer may quote or escape."""
    text = as_utf8(raw, mapping.file.encoding)
    if not layout.plain:
        text = WithHeader(text, layout)
    if not mapping.file.may_quote:
        return _ForArrow(Followed(text, lines))
    told = lines_of(mapping, layout.names)
    return _ForArrow(Requoted(text, CsvSigns(layout.style), len(layout.names), told, BLOCK_BYTES, lines))


def _reader(source: _ForArrow, layout: Layout, state: Records) -> pacsv.CSVStreamingReader | None:
    """Open Arrow's reader, or return None for a header without any row."""
    style, wanted = layout.style, list(state.wanted)
    quote = (style.quote or '"') if style.may_quote else False
    try:
        return pacsv.open_csv(
            pa.PythonFile(source, mode="r"),
            # Only without threads does Arrow tell the numbers of ragged rows; it is no slower here.
            read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=pacsv.ParseOptions(
                delimiter=style.delimiter,
                quote_char=quote,
                newlines_in_values=style.may_quote,
                invalid_row_handler=state.on_ragged,
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=wanted,
                column_types={column: pa.string() for column in wanted},
                check_utf8=False,  # the stream has done it
                null_values=list(style.null_values),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "cannot infer number of columns" in str(error):  # a header without a line break after it
            return None
        raise


def _numbered(
    reader: pacsv.CSVStreamingReader, mapping: SourceMapping, layout: Layout, state: Records
) -> Iterator[RawBatch]:
    read = (state.batch(pa.Table.from_batches([batch])) for batch in reader)
    for raw in chain(read, state.rest()):
        named = without_longer(raw, layout.surplus) if layout.surplus else raw
        marks = {name: which_hold(named.table[name].combine_chunks(), MARK) for name in named.table.column_names}
        yield without_unreadable(named, marks, partial(_what_is_no_text, named.table, mapping.file.encoding))


def _what_is_no_text(table: pa.Table, encoding: str, column: str, row: int) -> str:
    byte = unreadable_byte(table[column][row].as_py())
    if byte is None:
        return NO_TEXT
    return _no_text(byte, encoding)


def _no_text(byte: str, encoding: str) -> str:
    return f"the byte {byte}, which is no text in {encoding}: set file.encoding (perhaps 'latin-1' or 'cp1252')"


def _unreadable(place: str, error: Exception) -> InputFileError:
    # Arrow's messages may quote a row, so only those that are known are passed on.
    if "straddling" in str(error):
        return _too_long(place)
    return InputFileError(f"{place} cannot be read as CSV ({type(error).__name__})")


def _too_long(place: str) -> InputFileError:
    return InputFileError(
        f"{place}: a record is longer than {BLOCK_BYTES >> 20} MB; probably a quoted value is never closed (write "
        'file.quote = "" if the file\'s writer never quotes)'
    )
