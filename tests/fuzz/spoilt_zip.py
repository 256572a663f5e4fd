"""Spoil zip archives where they have structure: members, their names and sizes, and the directory at the end."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from random import Random

from spoilt_streams import PACK

_NAMES = (
    "one.csv", "two/three.csv", "../up.csv", "a/../../b.csv", "..\\up.csv", "..", "/etc/passwd", "\\\\host\\x",
    "C:\\x.csv", "c:x.csv", "new\nline.csv", "re\rturn.csv", "nul\0.csv", "", " ", "folder/", "__MACOSX/._x",
    ".hidden.csv", "é.csv",
    "\u202ecsv.exe", "x" * 300 + ".csv", "4111111111111111.csv", "%s%n.csv", "a" * 65_000, "./one.csv", "one.csv ",
    "-rf", "=1+1.csv", "a//b.csv", "one.CSV",
)  # fmt: skip
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_BOMB_BYTES = 33 << 20
_TOO_MANY = 10_001


def spoil_zip(rows: Callable[[], bytes], rng: Random) -> bytes:
    """Return an archive of members that `rows` makes, most of the time damaged in one way."""
    chance = rng.random()
    if chance < 0.01:
        return bomb()
    if chance < 0.013:
        return crowd()
    names = [f"m{number}.csv" for number in range(rng.choice([0, 1, 1, 2, 2, 5]))]
    if rng.random() < 0.3:
        names[rng.randint(0, len(names)) :] = [rng.choice(_NAMES)]
    members = [(name, _member(rows(), rng), rng.choice(_METHODS)) for name in names]
    return rng.choice(_DAMAGES)(packed(members, comment=rng.choice([b""] * 11 + [b"PK\x05\x06"])), rng)


def packed(members: list[tuple[str, bytes, int]], comment: bytes = b"") -> bytes:
    """An archive of names, contents and methods, whatever the names are."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that stand there twice
        for name, content, method in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor cleans it
            archive.writestr(info, content, method)
        archive.comment = comment
    return memory.getvalue()


@cache
def bomb() -> bytes:
    """Two members that each fit, and together are more than the fuzzer's reader takes."""
    half = b"a,b\n" * (_BOMB_BYTES // 8)
    return packed([("one.csv", half, zipfile.ZIP_DEFLATED), ("two.csv", half, zipfile.ZIP_DEFLATED)])


@cache
def crowd() -> bytes:
    """More members than a reader takes."""
    return packed([(f"{number}.csv", b"", zipfile.ZIP_STORED) for number in range(_TOO_MANY)])


def _member(rows: bytes, rng: Random) -> bytes:
    match rng.randrange(20):
        case 0:
            return PACK[rng.choice(list(PACK))](rows, 5)
        case 1:
            return packed([("inner.csv", rows, zipfile.ZIP_DEFLATED)])
        case _:
            return rows


def _whole(archive: bytes, _: Random) -> bytes:
    return archive


def _cut(archive: bytes, rng: Random) -> bytes:
    return archive[: rng.randint(0, len(archive))]


def _number_wrong(archive: bytes, rng: Random) -> bytes:
    """Overwrite a number in a header: versions, flags (encrypted), method, check sum, sizes, lengths, offsets."""
    mark, length = rng.choice([(_LOCAL, 30), (_CENTRAL, 46), (_CENTRAL, 46), (_END, 22)])
    starts = [place for place in range(len(archive)) if archive.startswith(mark, place)]
    if not starts:
        return archive
    place = rng.choice(starts) + rng.randrange(4, length - 1, 2)
    wrong = rng.choice(
        [struct.pack("<H", rng.choice([0, 1, 8, 9, 65, 93, 255, 0xFFFF])), b"\xff\xff\xff\xff", b"\0\0\0\0"]
    )
    return archive[:place] + wrong + archive[place + len(wrong) :]


def _same_data(archive: bytes, _: Random) -> bytes:
    """Let every entry of the directory point at the first member: a small archive that unpacks to much."""
    start = archive.find(_CENTRAL)
    while start >= 0:
        archive = archive[: start + 42] + b"\0\0\0\0" + archive[start + 46 :]
        start = archive.find(_CENTRAL, start + 1)
    return archive


def _preceded(archive: bytes, rng: Random) -> bytes:
    return rng.choice([b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"#!/bin/sh\n"]) + archive


def _followed(archive: bytes, rng: Random) -> bytes:
    return archive + rng.choice([b"\0", b"junk", archive, b"PK\x05\x06" + bytes(18)])


def _directory_lost(archive: bytes, rng: Random) -> bytes:
    start = archive.find(_CENTRAL)
    return archive if start < 0 else archive[:start] + archive[start + rng.choice([1, 46, 60]) :]


def _bytes_wrong(archive: bytes, rng: Random) -> bytes:
    changed = bytearray(archive)
    for _ in range(rng.choice([1, 1, 4])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _whole, _whole, _whole, _cut, _number_wrong, _number_wrong, _number_wrong, _same_data, _preceded, _followed,
    _directory_lost, _bytes_wrong,
)  # fmt: skip
