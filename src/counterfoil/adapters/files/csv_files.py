"""Read CSV files as batches of text with the record number of every row.

Memory is bounded by the block size, whatever the size of the file.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from counterfoil.adapters.files.csv_quotes import UNCLOSED, Requoted, TooLongError
from counterfoil.adapters.files.csv_signs import CsvSigns
from counterfoil.adapters.files.line_payments import LinePayments
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.unpacking import Readable
from counterfoil.adapters.files.unreadable_text import without_unreadable
from counterfoil.adapters.files.utf8_streams import MARK, as_utf8
from counterfoil.domain.arrays import mask_of
from counterfoil.domain.intake.cleaning import rejections
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.domain.schemas import REJECTED
from counterfoil.errors import InputFileError

BLOCK_BYTES = 8 << 20
"""Larger blocks were no faster and took more memory; a record may not be longer than this."""

_HEADER_BYTES = 1 << 18
_HEADER_LINE = 1
_QUOTE_UNCLOSED = (
    "quote_unclosed",
    'a quoted value is never closed: the line is cut off, or write file.quote = "" if the writer never quotes',
)


def columns(part: Part, style: FileFormat) -> list[str]:
    """Return the names in the header. Raises InputFileError if there is none or it cannot be read."""
    try:
        # Blank lines before the header are no header; Arrow skips them too.
        header = next((row for _, row in _first_rows(part, style) if row), None)
    except (UnicodeError, csv.Error):
        raise InputFileError(
            f"{part.place}: the header is not {style.encoding} text with {style.delimiter!r} between columns"
        ) from None
    if header is None:
        raise InputFileError(f"{part.place} is empty: it has not even a header")
    return header


def preamble(part: Part, mapping: SourceMapping) -> str | None:
    """Say where the header stands if a later line than the first has all columns that the mapping reads."""
    wanted = set(mapping.source_columns)
    try:
        line = next((line for line, row in _first_rows(part, mapping.file) if wanted <= set(row)), None)
    except (UnicodeError, csv.Error):
        return None
    if line is None:
        return None
    return f"the header seems to be line {line}: the lines before it are no part of the table, so remove them"


def _first_rows(part: Part, style: FileFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows at the beginning of a file, with the number of the line that each ends on."""
    with part.open() as raw:
        start = raw.read(_HEADER_BYTES)
    # Bytes that are no text are replaced: they may stand in a later row. Some encodings leave a mark at the start.
    text = io.StringIO(start.decode(style.encoding, "replace").removeprefix("\ufeff"), newline="")
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
    state = _Records(part)
    try:
        with part.open() as raw:
            reader = _reader(_source(raw, part, mapping), mapping, state)
            if reader is not None:
                yield from _numbered(reader, mapping, state)
    except InputFileError:
        raise
    except TooLongError:
        raise _too_long(part.place) from None
    except UnicodeError:
        raise InputFileError(f"{part.place} is not {mapping.file.encoding}: set file.encoding") from None
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(part.place, error) from None


@dataclass
class _Records:
    """Which records have been seen: the next one's number, and the ragged ones that were not yet reported."""

    part: Part
    next_number: int = _HEADER_LINE + 1
    good: int = 0
    ragged: dict[int, tuple[str, str]] = field(default_factory=dict)

    def on_ragged(self, row: pacsv.InvalidRow) -> str:
        if row.text == UNCLOSED:
            self.ragged[row.number] = _QUOTE_UNCLOSED
        else:
            message = f"expected {row.expected_columns} columns, got {row.actual_columns}"
            self.ragged[row.number] = ("ragged_row", message)
        return "skip"

    def take(self, rows: int) -> tuple[pa.Array, pa.Table]:
        """Return the record numbers of the next good rows, and the ragged records among them."""
        # Arrow parses a block before it hands it over, so every ragged record before these rows is known.
        span = np.arange(self.next_number, self.next_number + rows + len(self.ragged))
        numbers = span[~np.isin(span, list(self.ragged))][:rows]
        passed = self.ragged_up_to(int(numbers[-1])) if rows else REJECTED.empty_table()
        if rows:
            self.next_number = int(numbers[-1]) + 1
        self.good += rows
        return pa.array(numbers, pa.int64()), passed

    def ragged_up_to(self, last: int | None) -> pa.Table:
        """Take out the ragged records up to a number (None: all) as a table of rejections."""
        taken = sorted(number for number in self.ragged if last is None or number <= last)
        why = [self.ragged.pop(number) for number in taken]
        return rejections(
            self.part.source,
            pa.array(taken, pa.int64()),
            pa.array([reason for reason, _ in why], pa.string()),
            pa.array([message for _, message in why], pa.string()),
        )


class _ForArrow(io.RawIOBase):
    """A stream with all that Arrow asks of a file."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _source(raw: BinaryIO, part: Part, mapping: SourceMapping) -> _ForArrow:
    """The file's text, with its quotes put right where its writer may quote or escape."""
    text = as_utf8(raw, mapping.file.encoding)
    if not mapping.file.may_quote:
        return _ForArrow(text)
    header = columns(part, mapping.file)
    payments = LinePayments(mapping, header)
    return _ForArrow(Requoted(text, CsvSigns(mapping.file), len(header), payments, BLOCK_BYTES))


def _reader(source: _ForArrow, mapping: SourceMapping, state: _Records) -> pacsv.CSVStreamingReader | None:
    """Open Arrow's reader, or return None for a header without any row."""
    style, wanted = mapping.file, list(mapping.source_columns)
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


def _numbered(reader: pacsv.CSVStreamingReader, mapping: SourceMapping, state: _Records) -> Iterator[RawBatch]:
    for batch in reader:
        lines, ragged = state.take(batch.num_rows)
        table = pa.Table.from_batches([batch])
        marks = {name: mask_of(pc.match_substring(batch.column(name), MARK)) for name in table.column_names}
        yield without_unreadable(RawBatch(table, lines, ragged, state.part.source, state.part.member), marks)
    left = state.ragged_up_to(None)
    if left.num_rows:
        nothing = pa.table({column: pa.array([], pa.string()) for column in mapping.source_columns})
        yield RawBatch(nothing, pa.array([], pa.int64()), left, state.part.source, state.part.member)


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
