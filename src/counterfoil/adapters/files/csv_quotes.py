"""Put the quotes of delimited text right, so that a stray quote never swallows the rows after it.

A quote counts where a cell begins with it and ends with another one. Any other quote is a character of its cell: an
inch mark, a nickname, a name that was cut. A cell with line breaks is one cell, unless a line in it is a whole payment
by itself: then its writer never quotes, and the quote is a character too.
"""

import re
from collections.abc import Callable

from counterfoil.adapters.files.csv_signs import CsvSigns
from counterfoil.adapters.files.line_payments import LineTells
from counterfoil.adapters.files.physical_lines import PhysicalLines, end_of_lines
from counterfoil.adapters.files.unpacking import Readable

UNCLOSED = "\ufdd1"
"""Stands as a row of one cell for a line whose quote is never closed. Unicode keeps this code point free for ever."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


class TooLongError(Exception):
    """A record is longer than the reader's blocks."""


class _Undecided(Exception):  # noqa: N818  (no error: more of the file is asked for)
    pass


class _Unclosed(Exception):  # noqa: N818  (it costs a row, not the file)
    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Requoted:
    """A stream of UTF-8 text whose quotes stand by RFC 4180: what holds other quotes or escapes is quoted itself.

    `told` says what the cells of one line, split without regard to quotes, tell of a payment; `width` is the number of
    columns; `lines` learns on which line each record begins. Raises TooLongError for a record over `most_bytes`.
    """

    def __init__(
        self,
        stream: Readable,
        signs: CsvSigns,
        width: int,
        told: Callable[[list[bytes]], LineTells],
        most_bytes: int,
        lines: PhysicalLines,
    ) -> None:
        self._stream = stream
        self._signs = signs
        self._width = width
        self._told = told
        self._most_bytes = most_bytes
        self._lines = lines
        self._held = b""
        self._begun = False
        self._ready = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        while not self._ready and not self._ended:
            chunk = self._stream.read(size)
            self._ended = not chunk
            data = self._held + chunk
            mark = self._mark_of(data)
            if mark is None:
                self._held = data
                continue
            used, put_right = self._put_right(data[mark:])
            self._ready, self._held = data[:mark] + put_right, data[mark + used :]
            if len(self._held) > self._most_bytes and not self._ready:
                raise TooLongError
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _mark_of(self, data: bytes) -> int | None:
        """The length of a byte order mark at the file's start, which stays there; None if it may still come."""
        if self._begun:
            return 0
        if len(data) < len(_BYTE_ORDER_MARK) and not self._ended:
            return None
        self._begun = True
        return len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0

    def _put_right(self, data: bytes) -> tuple[int, bytes]:
        """Return how many bytes are used up, to the end of a record, and what they become."""
        done: list[bytes] = []
        place = 0
        while (stop := self._signs.first_irregular(data, place)) < len(data):
            start = max(data.rfind(b"\n", place, stop), data.rfind(b"\r", place, stop), place - 1) + 1
            done.append(self._passed(data[place:start]))
            place = start
            try:
                place, record = self._record(data, start)
            except _Undecided:
                return place, b"".join(done)
            self._lines.record(data[start:place])
            done.append(record)
        end = len(data) if self._ended else place + end_of_lines(data[place:])
        done.append(self._passed(data[place:end]))
        return end, b"".join(done)

    def _passed(self, data: bytes) -> bytes:
        self._lines.passed(data)
        return data

    def _record(self, data: bytes, start: int) -> tuple[int, bytes]:
        """Return where the record that begins at `start` ends, with its line break, and what it becomes."""
        try:
            place, cells = self._cells(data, start)
        except _Unclosed as found:
            ending = _LINE_BREAK.search(data, found.place)
            return len(data) if ending is None else ending.end(), f"{UNCLOSED}\n".encode()
        ending = _LINE_BREAK.match(data, place)
        if not self._ended and (ending is None or (ending[0] == b"\r" and ending.end() == len(data))):
            raise _Undecided
        end = len(data) if ending is None else ending.end()
        return end, self._signs.delimiter.join(cells) + data[place:end]

    def _cells(self, data: bytes, start: int) -> tuple[int, list[bytes]]:
        """Return where the last cell of a record ends, and how its cells are written."""
        place, cells = self._read(data, start, literal=False)
        if len(cells) == self._width:
            return place, cells
        lines = _LINE_BREAK.split(data[start:place])
        # Together they are no row. If the first and the last have a row's cells each, their quotes are characters.
        if len(lines) > 1 and self._is_whole(lines[0]) and self._has_all_cells(lines[-1]):
            return self._read(data, start, literal=True)
        return place, cells

    def _read(self, data: bytes, start: int, *, literal: bool) -> tuple[int, list[bytes]]:
        place, cells = start, list[bytes]()
        while True:
            place, cell = self._cell(data, place, start, literal=literal)
            cells.append(cell)
            if not data.startswith(self._signs.delimiter, place):
                return place, cells
            place += 1

    def _cell(self, data: bytes, place: int, start: int, *, literal: bool) -> tuple[int, bytes]:
        """Return where the cell at `place` ends, in the record that begins at `start`, and how it is written."""
        end = None if literal else self._end_of_quoted(data, place, start)
        if end is not None:
            return end, self._signs.quoted(data[place:end])
        end = self._signs.end_of_plain(data, place)
        return end, self._signs.plain(data[place:end])

    def _end_of_quoted(self, data: bytes, place: int, start: int) -> int | None:
        """Where the quoted cell at `place` ends, or None if what stands there is no quoted cell."""
        cell = self._signs.quoted_cell(data, place)
        if cell is None:
            return None
        end = cell.end()
        if cell[1] is None:
            if not self._holds_payment(data, place, end, start):
                self._require_whole_line(data, place, start)
            return None
        if end == len(data) and not self._ended:
            raise _Undecided
        if not self._signs.may_follow(data, end):
            return None
        if not _LINE_BREAK.search(data, place, end):
            return end
        if self._holds_payment(data, place, end, start) or self._holds_shapes(data, end, start):
            return None
        return end

    def _holds_payment(self, data: bytes, place: int, end: int, start: int) -> bool:
        """Whether a later line of the cell from `place` to `end` is a payment, as its last one with what follows."""
        begun = _LINE_BREAK.search(data, place)
        above = data[start : len(data) if begun is None else begun.start()]
        while begun is not None and begun.start() < end:
            first, begun = begun.end(), _LINE_BREAK.search(data, begun.end())
            if begun is None and not self._ended:
                break
            last = len(data) if begun is None else begun.start()
            line = data[first:last]
            if self._has_all_cells(line) and self._is_row(line, above, is_last=last >= end):
                return True
        if begun is None and not self._ended:
            raise _Undecided
        return False

    def _holds_shapes(self, data: bytes, end: int, start: int) -> bool:
        """Whether the lines from `start` to that of `end` look like rows, each of them: then one may be unusable.

        A blank after a delimiter is prose, unless the first of the lines has one there too.
        """
        ending = _LINE_BREAK.search(data, end)
        lines = _LINE_BREAK.split(data[start : len(data) if ending is None else ending.start()])
        rows = [line.split(self._signs.delimiter) for line in (lines[0], *filter(None, lines[1:-1]), lines[-1])]
        padded = _padded(rows[0])
        return self._width > 2 and all(
            len(row) == self._width and _padded(row) <= padded and row.count(b"") * 2 < self._width for row in rows
        )

    def _is_row(self, line: bytes, above: bytes, *, is_last: bool) -> bool:
        """Whether a line with all cells is a row by itself, though a quote stands open in the line above it.

        Below a row, one that is spoilt counts too: by its time, or on the last line by its amount. Where the line above
        tells nothing, it may be the row's beginning and the last line the row's end, after a text with delimiters.
        """
        told, before = self._tells(line), self._tells(above)
        begins_row = before.time or before.amount
        if begins_row and self._has_all_cells(above):
            return told.time or (is_last and told.amount)
        return told.is_payment and (begins_row or not is_last)

    def _tells(self, line: bytes) -> LineTells:
        cells = line.split(self._signs.delimiter)
        return self._told([*cells, *[b""] * (self._width - len(cells))])

    def _require_whole_line(self, data: bytes, place: int, start: int) -> None:
        """Raise _Unclosed unless an open quote is a character of a payment: else a cell may have been cut off."""
        ending = _LINE_BREAK.search(data, place)
        end = len(data) if ending is None else ending.start()
        is_last_cell = data.find(self._signs.delimiter, place, end) < 0
        if is_last_cell or not self._is_whole(data[start:end]):
            raise _Unclosed(place)

    def _is_whole(self, line: bytes) -> bool:
        return self._has_all_cells(line) and self._tells(line).is_payment

    def _has_all_cells(self, line: bytes) -> bool:
        return self._width > 1 and line.count(self._signs.delimiter) == self._width - 1


def _padded(row: list[bytes]) -> set[int]:
    """The cells, but for the first, that begin with a blank."""
    return {place for place, cell in enumerate(row) if place and cell.startswith(b" ")}
