"""Let only valid UTF-8 pass, so that bytes that are no text cost their cell and not the file."""

import codecs
import re
from typing import Protocol

import pyarrow as pa

from counterfoil.adapters.files.unpacking import Readable

MARK = "\ufdd0"
"""Stands for bytes that are no text, and two signs follow it: the first of these bytes in hexadecimal, or `--`.

Unicode keeps this code point free of any character for ever.
"""

_BYTE = re.compile(rf"{MARK}([0-9A-F]{{2}})")
ON_NO_TEXT = "counterfoil.mark"
"""The error handler of `bytes.decode` that puts MARK in place of bytes that are no text."""


def unreadable_byte(cell: str) -> str | None:
    """Name the first byte that was no text in a cell with a MARK, as `0xE9`; None where it is no single byte."""
    found = _BYTE.search(cell)
    return None if found is None else f"0x{found[1]}"


def _marked(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return f"{MARK}{error.object[error.start]:02X}", error.end
    if isinstance(error, UnicodeEncodeError):  # half a character of UTF-16
        return f"{MARK}--", error.end
    raise error


codecs.register_error(ON_NO_TEXT, _marked)


def as_utf8(stream: Readable, encoding: str) -> Readable:
    """Return a stream of text in an encoding as UTF-8, with MARK in place of each piece that is no text in it."""
    if codecs.lookup(encoding).name == "utf-8":
        return _Marked(stream, _Utf8())
    return _Marked(stream, _Transcoded(encoding))


class _Valid(Protocol):
    def valid(self, chunk: bytes, *, last: bool) -> bytes:
        """Return the next chunk as valid UTF-8; what goes on in the chunk after it may wait until then."""
        ...


class _Marked:
    def __init__(self, stream: Readable, text: _Valid) -> None:
        self._stream = stream
        self._text = text
        self._ready = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        while not self._ready:
            chunk = self._stream.read(size)
            self._ready = self._text.valid(chunk, last=not chunk)
            if not chunk:
                break
        given, self._ready = self._ready[:size], self._ready[size:]
        return given


class _Transcoded:
    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(ON_NO_TEXT)

    def valid(self, chunk: bytes, *, last: bool) -> bytes:
        return self._decoder.decode(chunk, last).encode("utf-8", ON_NO_TEXT)


class _Utf8:
    """Most chunks are valid and pass without a copy."""

    def __init__(self) -> None:
        self._part = b""

    def valid(self, chunk: bytes, *, last: bool) -> bytes:
        chunk = self._part + chunk
        if chunk.isascii():
            self._part = b""
            return chunk
        end = len(chunk) if last else _end_of_last_character(chunk)
        whole, self._part = chunk[:end], chunk[end:]
        return whole if is_utf8(whole) else whole.decode("utf-8", ON_NO_TEXT).encode()


def is_utf8(chunk: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    offsets = pa.array([0, len(chunk)], pa.int64()).buffers()[1]
    cell = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(chunk)])
    try:
        cell.cast(pa.large_string())  # checks without a copy
    except pa.ArrowInvalid:
        return False
    return True


def _end_of_last_character(chunk: bytes) -> int:
    """The length without a character at the end that goes on in the next chunk."""
    for back in range(1, min(3, len(chunk)) + 1):
        byte = chunk[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(chunk) - back if length > back else len(chunk)
        if byte < 0x80:
            break
    return len(chunk)
