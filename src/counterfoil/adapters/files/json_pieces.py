"""Take JSON values apart that stand one after another, on lines of their own or not, or in arrays."""

import json
import re
from collections.abc import Callable, Iterator

from counterfoil.adapters.files.json_wrappers import LOOK_AHEAD, Wrapper

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_BETWEEN = re.compile(r"[\s,]*")
_BETWEEN_IN_ARRAYS = re.compile(r"[\s,\[\]]*")
CUT_OFF = b""
_NEAR = 1_000
_WINDOW = 1 << 12
"""Looked at first: a decoder that fails counts the lines of all that it was given."""
_LONGEST_TOKEN = 16
"""Nearer to the end of what is looked at, a failure may come from what is not there yet."""
_GOES_ON, _NO_VALUE = 0, -1
_NEXT_OBJECT = re.compile(r"\}[\s,\[\]]*(?=\{)")


def pieces(
    read: Callable[[], bytes], encoding: str, most: int, *, in_arrays: bool = False, wrapper: Wrapper | None = None
) -> Iterator[bytes | None]:
    """Yield each value as it is written; None for one that is longer than `most`.

    A last piece without a byte in it says that the text ended within an array of the file.

    `read` returns the next bytes, and none at the end. What is no value ends where the next object begins. Bytes that
    are no text in `encoding` stay in their piece. `in_arrays`: arrays begin and end between the values; so
    do wrappers, if one is given.
    """
    between = _BETWEEN_IN_ARRAYS if in_arrays else _BETWEEN
    text = _Text(read, encoding, between) if wrapper is None else _Wrapped(read, encoding, between, wrapper)
    while not text.is_at_end():
        end = text.end_of_value(most)
        if end is None:
            end = text.end_of_broken(most)
            text.was_broken = True
        if end is None and not text.ended:
            yield None
            text.pass_over()
        else:
            yield text.take(end, most)
    if text.is_cut_off:
        yield CUT_OFF


class _Text:
    """What was read and not yet taken."""

    def __init__(self, read: Callable[[], bytes], encoding: str, between: re.Pattern[str]) -> None:
        self._read = read
        self._encoding = encoding
        self._between = between
        self._raw = b""
        self._held = ""
        self._place = 0
        self._open = 0
        self.ended = False
        self.was_broken = False

    @property
    def is_cut_off(self) -> bool:
        """Whether an array is open that nothing broken may have closed."""
        return self._open > 0 and not self.was_broken

    def is_at_end(self) -> bool:
        """Whether nothing is left but what stands between values."""
        while True:
            between = self._between.match(self._held, self._place)
            if between is not None:
                self._place = between.end()
                self._open += between[0].count("[") - between[0].count("]")
            if self._place < len(self._held) or self.ended:
                return self._place == len(self._held)
            self._more()

    def end_of_value(self, most: int) -> int | None:
        """Where the value that begins here ends; None if it is none, or too long."""
        while (end := _end_of_value(self._held, self._place, self.ended)) == _GOES_ON:
            if self.ended or len(self._held) - self._place > most:
                return None
            self._more()
        return None if end == _NO_VALUE else end

    def end_of_broken(self, most: int) -> int | None:
        """Where what is no value ends before an object begins; None if that is too far, or never."""
        while (end := self.next_object()) is None and not self.ended and len(self._held) - self._place <= most:
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


class _Wrapped(_Text):
    """What is in wrappers."""

    def __init__(self, read: Callable[[], bytes], encoding: str, between: re.Pattern[str], wrapper: Wrapper) -> None:
        super().__init__(read, encoding, between)
        self._wrapper = wrapper
        self._is_inside = False

    def is_at_end(self) -> bool:
        """Whether nothing is left but what stands between values, or in a wrapper before and after them."""
        while not super().is_at_end():
            while not self.ended and len(self._held) - self._place < LOOK_AHEAD:
                self._more()
            edge = self._wrapper.end if self._is_inside else self._wrapper.begin
            found = edge.match(self._held, self._place)
            if found is None:
                return False
            self._place, self._is_inside = found.end(), not self._is_inside
            self._open = int(self._is_inside)
        return True


def are_objects(line: bytes, encoding: str) -> list[bytes] | None:
    """Return the objects of a line that holds nothing else but commas between and after them; else None."""
    chunks = iter((line,))
    found = [piece for piece in pieces(lambda: next(chunks, b""), encoding, len(line)) if piece is not None]
    return found if found and all(piece.startswith(b"{") for piece in found) else None


def is_spread_over_lines(start: bytes, encoding: str) -> bool:
    """Whether a file that begins like this has its first object on several lines."""
    text = start.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    return text.startswith("{") and "\n" in text[: max(_end_of_value(text, 0, ended=True), 0)]


def _end_of_value(text: str, place: int, ended: bool) -> int:
    """Where the value at `place` ends; _GOES_ON if it may end in later text, _NO_VALUE if it is none."""
    width = _WINDOW
    while True:
        window = text[place : place + width]
        is_last = place + width >= len(text)
        end = _end_within(window, ended and is_last)
        if end != _GOES_ON or is_last:
            return place + end if end > 0 else end
        width *= 4


def _end_within(window: str, ended: bool) -> int:
    try:
        end = int(_DECODER.raw_decode(window)[1])
    except json.JSONDecodeError as error:
        is_cut = error.msg.startswith("Unterminated") or error.pos > len(window) - _LONGEST_TOKEN
        return _GOES_ON if is_cut and not ended else _NO_VALUE
    except RecursionError:
        return _NO_VALUE
    is_closed = ended or end < len(window) or window[end - 1] in '}]"'
    return end if is_closed else _GOES_ON


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
