"""Unpack streams in bounded memory and within limits. Everything that is wrong with one is an InputFileError.

What a stream is packed with is known by its first bytes, never by a name.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from backports import zstd

from counterfoil.errors import InputFileError

CHUNK_BYTES = 1 << 18

_XZ_MEMORY = 256 << 20
"""xz -9 needs 65 MB to unpack; its header may ask for 4 GB."""

_ZSTD_WINDOW_LOG = 27
"""128 MB, what the zstd command takes by default."""

FIRST_BYTES = 16
"""Enough to know a packing by."""

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress",
}
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")

_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError, gzip.BadGzipFile, ValueError)
"""What the unpackers raise where bytes are missing or wrong; an OSError without a number is bzip2's."""


@dataclass(frozen=True)
class StreamLimits:
    """What a packed file may unpack to: `most_bytes` in all; `most_ratio` times its size, once it is more than
    `ratio_from_bytes`; and how many files an archive may hold."""

    most_bytes: int = 64 << 30
    most_ratio: float = 200.0
    ratio_from_bytes: int = 64 << 20
    most_members: int = 10_000


def packing_of(first: bytes) -> str | None:
    """Name what a file is packed with, from its first bytes; None if it is not."""
    found = next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)
    if found == "bzip2" and first[4:10] not in _BZIP2_BLOCKS and len(first) >= 10:
        return None  # text may begin with BZh
    if found is None and first[1:4] == b"\x2a\x4d\x18" and first[0] >> 4 == 5:
        return "zstd"  # a frame to skip stands first
    return found


class Readable(Protocol):
    """What bytes can be taken from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        ...


class Budget:
    """What a packed file may still unpack to, over all its members."""

    def __init__(self, place: str, packed_bytes: int, limits: StreamLimits) -> None:
        self._place = place
        self._limits = limits
        by_ratio = max(limits.ratio_from_bytes, int(limits.most_ratio * packed_bytes))
        self._most = min(limits.most_bytes, by_ratio)
        self._spent = 0

    def spend(self, unpacked_bytes: int) -> None:
        """Count bytes that came out. Raises InputFileError if they are too many."""
        self._spent += unpacked_bytes
        if self._spent <= self._most:
            return
        if self._most == self._limits.most_bytes:
            most, setting = f"{self._most:,} bytes", "COUNTERFOIL_UNPACK_MOST_BYTES"
        else:
            most, setting = f"{self._limits.most_ratio:g} times its size", "COUNTERFOIL_UNPACK_MOST_RATIO"
        raise InputFileError(f"{self._place} unpacks to more than {most}: raise {setting} if it is no mistake")


def unpacked(stream: Readable, place: str, packing: str, budget: Budget, expected_bytes: int | None = None) -> BinaryIO:
    """Return what comes out of an unpacker, watched: damage, growth, a wrong length and packings in packings
    are InputFileErrors."""
    watched = io.BufferedReader(_Watched(stream, place, packing, budget, expected_bytes), CHUNK_BYTES)
    inner = packing_of(watched.peek(FIRST_BYTES)[:FIRST_BYTES])
    if inner is not None:
        raise InputFileError(f"{place} holds something that is packed again ({inner}): unpack it once")
    return watched


class _Watched(io.RawIOBase):
    def __init__(self, stream: Readable, place: str, packing: str, budget: Budget, expected_bytes: int | None) -> None:
        self._stream = stream
        self._place = place
        self._packing = packing
        self._budget = budget
        self._missing = expected_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        chunk = self._next(len(buffer))
        self._budget.spend(len(chunk))
        self._require_length(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _next(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except _DAMAGE:
            raise self._damaged() from None
        except OSError as error:
            if error.errno is None:
                raise self._damaged() from None
            raise InputFileError(f"{self._place} cannot be read: {error.strerror}") from None

    def _require_length(self, chunk: bytes) -> None:
        if self._missing is not None:
            self._missing -= len(chunk)
            if not chunk and self._missing:
                raise self._damaged()

    def _damaged(self) -> InputFileError:
        return InputFileError(f"{self._place} is cut off or damaged: its {self._packing} stream does not end properly")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Frames:
    """The frames of a packed stream one after another. bz2, lzma and zstd unpack alike."""

    def __init__(self, packed: BinaryIO, start: Callable[[], _Decompressor]) -> None:
        self._packed = packed
        self._start = start
        self._frame = start()

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end. Raises EOFError if the last frame is not whole."""
        while True:
            given = b""
            if self._frame.eof:
                given = self._frame.unused_data.lstrip(b"\0") or self._packed.read(CHUNK_BYTES).lstrip(b"\0")
                if not given:  # xz pads with zeros, which are no frame
                    return b""
                self._frame = self._start()
            elif self._frame.needs_input:
                given = self._packed.read(CHUNK_BYTES)
                if not given:
                    raise EOFError
            chunk = self._frame.decompress(given, size)
            if chunk:
                return chunk


def _bzip2(packed: BinaryIO) -> Readable:
    return _Frames(packed, cast(Callable[[], _Decompressor], bz2.BZ2Decompressor))


def _xz(packed: BinaryIO) -> Readable:
    return _Frames(packed, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


def _zstd(packed: BinaryIO) -> Readable:
    options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    return _Frames(packed, lambda: zstd.ZstdDecompressor(options=options))


UNPACKERS: dict[str, Callable[[BinaryIO], Readable]] = {
    "gzip": lambda packed: gzip.GzipFile(fileobj=packed),
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}
