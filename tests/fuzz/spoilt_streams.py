"""Spoil packed streams where they have structure: their content, ends and sizes, and what stands after them."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from functools import cache
from random import Random

from backports import zstd

PACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": lambda content, level: gzip.compress(content, level, mtime=0),
    "bzip2": lambda content, level: bz2.compress(content, max(level, 1)),
    "xz": lambda content, level: lzma.compress(
        content, check=(lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_NONE)[level % 3], preset=level % 3
    ),
    "zstd": lambda content, level: zstd.compress(content, level),
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
    "zstd": zstd.decompress,
}
_SIZES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\0\0\0")
_BOMB_BYTES = 33 << 20


def spoil_stream(packing: str, rows: bytes, rng: Random) -> bytes:
    """Return `rows` packed and then, most of the time, damaged in one way."""
    if rng.random() < 0.01:
        return bomb(packing)
    packed = PACK[packing](rows, rng.randrange(10))
    return rng.choice(_DAMAGES)(packed, packing, rng)


@cache
def bomb(packing: str) -> bytes:
    """A stream that is more than the fuzzer's reader takes."""
    return PACK[packing](b"a,b\n" * (_BOMB_BYTES // 4), 9)


def _whole(packed: bytes, _: str, __: Random) -> bytes:
    return packed


def _cut(packed: bytes, _: str, rng: Random) -> bytes:
    return packed[: rng.randint(0, len(packed))]


def _end_lost(packed: bytes, _: str, rng: Random) -> bytes:
    return packed[: -rng.randint(1, 12)]


def _end_wrong(packed: bytes, _: str, rng: Random) -> bytes:
    """Lie about the check sum or size, which stand near the end; zstd has its size near the start."""
    place = rng.choice([4, 5, 6, len(packed) - 4, len(packed) - 8, len(packed) - 12])
    return packed[:place] + rng.choice(_SIZES) + packed[place + 4 :]


def _followed(packed: bytes, _: str, rng: Random) -> bytes:
    return packed + rng.choice([b"\0", b"\0" * 512, b"\n", b"junk", packed[:7], b"\x1f\x8b", b"\xfd7zXZ\0"])


def _several(packed: bytes, packing: str, rng: Random) -> bytes:
    more = PACK[packing](b"a9,2024-01-01T10:00:00Z,1.00,EUR,ann,Bakery,,,0,1,\n" * rng.randint(0, 3), 5)
    return packed + more * rng.randint(1, 3)


def _within_another(packed: bytes, _: str, rng: Random) -> bytes:
    return PACK[rng.choice(list(PACK))](packed, 5)


def _other_packing(packed: bytes, packing: str, rng: Random) -> bytes:
    return PACK[rng.choice(list(PACK))](UNPACK[packing](packed), 5)


def _skipped(packed: bytes, packing: str, rng: Random) -> bytes:
    """Frames that zstd skips; a comment and a name for gzip."""
    if packing == "gzip":
        return packed[:3] + b"\x18" + packed[4:10] + b"../a\nb\0" + b"comment\0" + packed[10:]
    size = rng.choice([0, 3, 2**31])
    return b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + b"abc"[: size % 4] + packed


def _bytes_wrong(packed: bytes, _: str, rng: Random) -> bytes:
    changed = bytearray(packed)
    for _time in range(rng.choice([1, 1, 4])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


_DAMAGES: tuple[Callable[[bytes, str, Random], bytes], ...] = (
    _whole, _whole, _whole, _cut, _end_lost, _end_wrong, _followed, _several, _within_another, _other_packing, _skipped,
    _bytes_wrong,
)  # fmt: skip
