"""Take JSON values apart that stand one after another without line breaks, or in an array."""

import json
import re
from collections.abc import Callable, Iterator

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_ASIDE = re.compile(r"[\s,]*")
_NEAR = 1_000
_NEXT_OBJECT = re.compile(r"\}[\s,]*(?=\{)")


def pieces(read: Callable[[], bytes], encoding: str, most: int) -> Iterator[bytes | None]:
    """Yield each value as it is written; None for one that is longer than `most`.

    `read` returns the next bytes, and none at the end. What is no value ends where the next object begins. Bytes that
    are no text in `encoding` stay in their piece.
    """
    text = _Text(read, encoding)
    while not text.is_at_end():
        end = text.end_of_value(most)
        if end is None:
            end = text.next_object()
        if end is None and not text.ended:
            yield None
            text.pass_over()
        else:
            yield text.take(end, most)


class _Text:
    """What was read and not yet taken."""

    def __init__(self, read: Callable[[], bytes], encoding: str) -> None:
        self._read = read
        self._encoding = encoding
        self._raw = b""
        self._held = ""
        self._place = 0
        self.ended = False

    def is_at_end(self) -> bool:
        """Whether nothing is left but blanks and commas."""
        while True:
            aside = _ASIDE.match(self._held, self._place)
            self._place = self._place if aside is None else aside.end()
            if self._place < len(self._held) or self.ended:
                return self._place == len(self._held)
            self._more()

    def end_of_value(self, most: int) -> int | None:
        """Where the value that begins here ends; None if it is none, or too long."""
        while (end := _end_of_value(self._held, self._place)) is None and not self.ended:
            if len(self._held) - self._place > most:
                break
            self._more()
        return end

    def next_object(self) -> int | None:
        """Where something ends before an object begins."""
        found = _NEXT_OBJECT.search(self._held, self._place)
        return None if found is None else found.start() + 1

    def pass_over(self) -> None:
        """Drop what is held, and what comes, until an object begins."""
        while not self.ended and self.next_object() is None:
            self._place = max(len(self._held) - _NEAR, self._place)
            self._more()
        end = self.next_object()
        self._place = len(self._held) if end is None else end

    def take(self, end: int | None, most: int) -> bytes | None:
        """Return what stands before `end` (None: all), unless it is too long, and go on after it."""
        begin, self._place = self._place, len(self._held) if end is None else end
        if self._place - begin > most:
            return None
        return self._held[begin : self._place].encode(self._encoding, "surrogateescape")

    def _more(self) -> None:
        chunk = self._read()
        self.ended = not chunk
        data = self._raw + chunk
        cut = len(data) if self.ended else _whole_characters(data, self._encoding)
        self._raw = data[cut:]
        self._held = self._held[self._place :] + data[:cut].decode(self._encoding, "surrogateescape")
        self._place = 0


def are_objects(line: bytes, encoding: str) -> list[bytes] | None:
    """Return the objects of a line that holds several and nothing else; None for any other line."""
    chunks = iter((line,))
    found = [piece for piece in pieces(lambda: next(chunks, b""), encoding, len(line)) if piece is not None]
    return found if len(found) > 1 and all(piece.startswith(b"{") for piece in found) else None


def _end_of_value(text: str, place: int) -> int | None:
    """Where the value at `place` ends; None if it does not, or is none."""
    try:
        return int(_DECODER.raw_decode(text, place)[1])
    except (json.JSONDecodeError, RecursionError):
        return None


def _whole_characters(data: bytes, encoding: str) -> int:
    """The length without a character at the end that goes on in the next bytes."""
    for cut in range(len(data), max(len(data) - 4, 0), -1):
        try:
            data[max(cut - 4, 0) : cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return cut
        else:
            return cut
    return len(data)
