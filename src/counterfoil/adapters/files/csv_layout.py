"""Where the table of a CSV file begins, and what its columns are called if header and rows do not just agree."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from counterfoil.adapters.files.unpacking import Readable
from counterfoil.domain.intake.mapping_model import FileFormat

SURPLUS = "\ufdd2"
"""Begins the names of columns that have none in the header: all their cells must be empty."""

_ROWS_TO_LOOK_AT = 100
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BREAK = re.compile(rb"\r\n|\r(?!$)|\n")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """The names of a file's columns, how many lines stand in the place of the header, and the style of the rest.

    `plain`: the header is the first line that is not blank, and each row has as many cells.
    """

    names: tuple[str, ...]
    lines: int
    plain: bool
    style: FileFormat

    @property
    def surplus(self) -> tuple[str, ...]:
        """The columns that have no name."""
        return tuple(name for name in self.names if name.startswith(SURPLUS))

    @property
    def first_record(self) -> int:
        """The number of the first row; the header of a plain file is record 1."""
        return 2 if self.plain else self.lines + 1

    @property
    def header_line(self) -> int:
        """The line on which the stream that is read begins: the file's first, or that of the header."""
        return 1 if self.plain else self.lines - sum(len(_LINE_BREAK.findall(name)) for name in self.names)

    def known_by(self, wanted: Sequence[str]) -> "Layout":
        """The same with the names that the mapping has for them, where these differ by blanks around them only."""
        bare = Counter(name.strip() for name in self.names)
        new = {name for name in wanted if name not in self.names and bare[name] == 1}
        names = tuple(name.strip() if name.strip() in new else name for name in self.names)
        return Layout(names, self.lines, self.plain and names == self.names, self.style)


def layout_of(start: str, style: FileFormat) -> Layout | None:
    """Return the layout of a file that begins with `start`; None if it has no header. Raises csv.Error."""
    skipped = style.skip_lines
    rest = _without_lines(start, skipped)
    separator = _SEPARATOR.fullmatch(_first_line(rest))
    if separator is not None:
        skipped, rest = skipped + 1, _without_lines(rest, 1)
        style = style.model_copy(update={"delimiter": separator[1]})
    rows = _rows(rest, style)
    if style.header == "none":
        names = _fitted(list(style.columns), _first_filled(rows))
        return Layout(tuple(names), skipped, plain=False, style=style)
    line, header = next(((line, row) for line, row in rows if row), (0, None))
    if header is None:
        return None
    names = _fitted(header, _first_filled(rows))
    return Layout(tuple(names), skipped + line, plain=not skipped and names == header, style=style)


def _first_filled(rows: Iterator[tuple[int, list[str]]]) -> list[list[str]]:
    return [row for _, row in islice(rows, _ROWS_TO_LOOK_AT) if row]


def _fitted(header: list[str], rows: list[list[str]]) -> list[str]:
    """The header, with as many names as most rows have cells if both differ by empty cells at their ends."""
    named = len(header)
    while named and not header[named - 1].strip():
        named -= 1
    # The last row may be cut off where the first bytes end.
    width = Counter(len(row) for row in rows[:-1] or rows).most_common(1)[0][0] if rows else len(header)
    if named <= width < len(header):
        return header[:width]
    beyond = [any(cell.strip() for cell in row[len(header) :]) for row in rows if len(row) == width]
    if width > len(header) and sum(beyond) * 2 < len(beyond):
        return [*header, *(f"{SURPLUS}{place}" for place in range(len(header), width))]
    return header


def _rows(text: str, style: FileFormat) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=style.delimiter, quotechar=style.quote or None,
        quoting=csv.QUOTE_MINIMAL if style.quote else csv.QUOTE_NONE,
        escapechar=(style.escape or None) if style.escape != style.quote else None,
    )  # fmt: skip
    for row in rows:
        yield rows.line_num, row


def _first_line(text: str) -> str:
    found = _LINE.match(text)
    return "" if found is None else found[0]


def _without_lines(text: str, count: int) -> str:
    for _ in range(count):
        text = text[len(_first_line(text)) :]
    return text


class WithHeader:
    """A stream of UTF-8 text in which one line of names stands in the place of the first lines."""

    def __init__(self, stream: Readable, layout: Layout) -> None:
        self._stream = stream
        self._left = layout.lines
        sign = layout.style.quote or '"'
        cells = (f"{sign}{name.replace(sign, sign * 2)}{sign}" for name in layout.names)
        self._ready = f"{layout.style.delimiter.join(cells)}\n".encode()
        self._held: bytes | None = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        if not self._ready and self._held is not None:
            self._ready = self._after_first_lines(size)
        if not self._ready:
            return self._stream.read(size)
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _after_first_lines(self, size: int) -> bytes:
        held, ended = self._held or b"", False
        while self._left and not ended:
            found = _BREAK.search(held)
            if found is None:
                chunk = self._stream.read(size)
                held, ended = held + chunk, not chunk
            else:
                held, self._left = held[found.end() :], self._left - 1
        if ended:
            held = b""
        elif not held:
            held = self._stream.read(size)
        self._held = None
        return held.removeprefix(_MARK)
