"""Spoil formats of lines where they have structure: lines, what they begin with, places and numbers within them."""

from collections.abc import Callable
from random import Random

from hostile_values import pick

_STARTS = (
    ":61:", ":86:", ":20:", ":60F:", ":62F:", ":32A:", ":25:", "-}", "-", "{4:", "{1:F01COBADEFFAXXX00}{4:", "{",
    ":", ":6", "1", "5", "6", "7", "8", "9", " ", "\0", "\x01", "\ufeff", "x",
)  # fmt: skip


def spoil_lines(content: bytes, rng: Random) -> bytes:
    """Return lines with one to four changes made to them."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(lines))
        lines[place] = rng.choice(_CHANGES)(lines[place], rng)
    if rng.random() < 0.2:
        first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[first], lines[second] = lines[second], lines[first]
    text = rng.choice(["\n", "\n", "\n", "\r\n", "\n\n", "\r", ""]).join(lines)
    return text.encode("utf-8", "surrogateescape")[: 1 << 20]


def _value(line: str, rng: Random) -> str:
    place = rng.randint(0, len(line))
    return line[:place] + pick(rng) + line[place + rng.choice([0, 1, 4, 10]) :]


def _start(line: str, rng: Random) -> str:
    return rng.choice(_STARTS) + line[rng.choice([0, 1, 4]) :]


def _digit(line: str, rng: Random) -> str:
    place = rng.randint(0, len(line))
    return line[:place] + rng.choice("0123456789,.CDR \udcff") + line[place + 1 :]


def _lost(_: str, __: Random) -> str:
    return ""


def _again(line: str, rng: Random) -> str:
    return "\n".join([line] * rng.choice([2, 2, 50]))


def _cut(line: str, rng: Random) -> str:
    return line[: rng.randint(0, len(line))]


def _long(line: str, rng: Random) -> str:
    return line + rng.choice("x6: ") * rng.choice([40, 1 << 12, (64 << 10) + 9])


_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    _value, _value, _start, _start, _digit, _digit, _digit, _lost, _again, _cut, _long,
)  # fmt: skip
