"""Let only valid UTF-8 pass, so that bytes that are no text cost their cell and not the file."""

import codecs

import pyarrow as pa

from counterfoil.adapters.unpacking import Readable

MARK = "\ufdd0"
"""Stands for bytes that are no UTF-8. Unicode keeps this code point free of any character for ever."""

_ERRORS = "counterfoil.mark"


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK, error.end


codecs.register_error(_ERRORS, _marked)


class MarkedUtf8:
    """A stream of text in UTF-8 with MARK in place of each piece that is none.

    `has_marks` tells whether one has passed.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ready = b""
        self._part = b""
        self.has_marks = False

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        while not self._ready:
            chunk = self._stream.read(size)
            self._ready = self._valid(self._part + chunk, last=not chunk)
            if not chunk:
                break
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _valid(self, chunk: bytes, *, last: bool) -> bytes:
        if chunk.isascii():
            self._part = b""
            return chunk
        end = len(chunk) if last else _end_of_last_character(chunk)
        whole, self._part = chunk[:end], chunk[end:]
        if _is_utf8(whole):
            return whole
        self.has_marks = True
        return whole.decode("utf-8", _ERRORS).encode()


def _is_utf8(chunk: bytes) -> bool:
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
