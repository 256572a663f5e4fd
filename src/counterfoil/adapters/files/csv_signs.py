"""The signs of delimited text: what ends a cell, what may stand around it, and what takes a sign's meaning away."""

import re

from counterfoil.domain.intake.mapping_model import FileFormat

_PLAIN_QUOTE = b'"'
_OR_NOTHING = rb"|(?!)"
"""Puts the place back after a failed try of a possessive group; up to 3.11.4 Python leaves it where the try ended."""


class CsvSigns:
    """Delimiter, quote and escape of a file as bytes, and what cells are by them.

    `written_quote` stands around cells that must be quoted, also where the file's writer never quotes.
    """

    def __init__(self, style: FileFormat) -> None:
        self.delimiter = style.delimiter.encode()
        self.written_quote = style.quote.encode() or _PLAIN_QUOTE
        self._escape = style.escape.encode() if style.escape != style.quote else b""
        self._nulls = {text.encode() for text in style.null_values}
        after, quote, escape = (re.escape(sign) for sign in (self.delimiter, self.written_quote, self._escape))
        escaped = rb"|%b." % escape if escape else b""
        plain, inside = rb"[^%b%b]*+" % (quote, escape), rb"[^%b\r\n%b]*+" % (quote, escape)
        no_end = rb"[^%b\r\n]" % after
        whole = rb"(?<!%b)%b%b(?:%b%b%b)*+%b(?!%b)" % (no_end, quote, inside, quote, quote, inside, quote, no_end)
        self._regular = re.compile(rb"%b(?:%b%b%b)*+" % (plain, whole, plain, _OR_NOTHING) if style.quote else plain)
        self._plain = re.compile(rb"(?:[^%b\r\n%b]++%b)*+" % (after, escape, escaped), re.DOTALL)
        blanks = b"" if self.delimiter == b" " else b" *+"
        cell = rb"%b(?:[^%b%b]++|%b%b%b)*+(%b%b)?" % (quote, quote, escape, quote, quote, escaped, quote, blanks)
        self._quoted = re.compile(cell, re.DOTALL) if style.quote else None
        self._taken = re.compile(rb"%b(.)" % escape, re.DOTALL)

    def first_irregular(self, data: bytes, place: int) -> int:
        """Return where the first escape stands, or quote that is not around a cell of one line; else the length.

        A record begins at `place`.
        """
        regular = self._regular.match(data, place)
        return place if regular is None else regular.end()

    def quoted_cell(self, data: bytes, place: int) -> re.Match[bytes] | None:
        """Match a quoted cell that begins at `place`; its group 1 is there if it is closed."""
        return None if self._quoted is None else self._quoted.match(data, place)

    def may_follow(self, data: bytes, place: int) -> bool:
        """Whether a cell may end before `place`."""
        return data[place : place + 1] in (self.delimiter, b"\n", b"\r", b"")

    def end_of_plain(self, data: bytes, place: int) -> int:
        """Return where a cell without quotes ends."""
        found = self._plain.match(data, place)
        return place if found is None else found.end()

    def quoted(self, cell: bytes) -> bytes:
        """Return a closed quoted cell as it is written: without escapes, and without blanks after it."""
        cell = cell.rstrip(b" ")
        inner = cell[1:-1]
        if not self._escape or self._escape not in inner or inner in self._nulls:
            return cell
        return self._written(self._without_escapes(inner.replace(self.written_quote * 2, self.written_quote)))

    def plain(self, cell: bytes) -> bytes:
        """Return a cell without quotes around it as it is written: without escapes, quoted if it holds quotes."""
        if self._escape and self._escape in cell and cell not in self._nulls:
            return self._written(self._without_escapes(cell))
        return self._written(cell) if self.written_quote in cell else cell

    def _written(self, text: bytes) -> bytes:
        quote = self.written_quote
        return quote + text.replace(quote, quote * 2) + quote

    def _without_escapes(self, text: bytes) -> bytes:
        return self._taken.sub(rb"\1", text)
