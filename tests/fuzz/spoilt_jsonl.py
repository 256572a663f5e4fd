"""Spoil JSON Lines where it has structure: values, keys, nesting, lines and bytes."""

import json
from collections.abc import Callable
from random import Random

from hostile_values import pick

_BARE = (
    "NaN", "-Infinity", "1e999", "-0", "00", "1.", ".1", "0x1", "9" * 5_000, "true", "null", "None", "'a'", "",
    "[]", "{}", '[{"a": 1}]', '"\\ud800"', '"\\u0000"', '"\\x41"', '"\t"', '"\\ud83d\\ude00"', '"\u2028"',
)  # fmt: skip
_NO_OBJECTS = (
    "[]",
    '"text"',
    "1",
    "null",
    "{",
    "}",
    '{"a"}',
    '{"a":1,}',
    "{}{}",
    "{} x",
    "//",
    " ",
    "\t",
    "\x0c",
    "\x1c",
)
_DEPTHS = (3, 63, 64, 65, 500, 20_000)


def spoil_jsonl(content: bytes, rng: Random) -> bytes:
    """Return JSON Lines with one to four changes made to it."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(lines))
        lines[place] = rng.choice(_CHANGES)(lines[place], rng)
    if rng.random() < 0.2:
        rng.shuffle(lines)
    text = rng.choice(["\n", "\n", "\n", "\r\n", "\n\n", "\r"]).join(lines)
    return _damaged(text.encode("utf-8", "surrogateescape"), rng)


def _value(line: str, rng: Random) -> str:
    return _with_pair(line, rng, lambda key, _: f"{key}: {json.dumps(pick(rng), ensure_ascii=rng.random() < 0.5)}")


def _bare(line: str, rng: Random) -> str:
    return _with_pair(line, rng, lambda key, _: f"{key}: {rng.choice(_BARE)}")


def _nested(line: str, rng: Random) -> str:
    depth = rng.choice(_DEPTHS)
    opened, closed = rng.choice([("[", "]"), ('{"a":', "}"), ('{"a":[', "]}")])
    return _with_pair(line, rng, lambda key, value: f"{key}: {opened * depth}{value}{closed * depth}")


def _wrapped(line: str, rng: Random) -> str:
    return _with_pair(line, rng, lambda key, value: f'"{key.strip(chr(34))}.a": 1, {key}: {{"a": {value}}}')


def _doubled_key(line: str, rng: Random) -> str:
    return _with_pair(line, rng, lambda key, value: f"{key}: {value}, {key}: {value}")


def _lost(line: str, rng: Random) -> str:
    return _with_pair(line, rng, lambda key, value: f'"other": {value}' if rng.random() < 0.5 else key)


def _with_pair(line: str, rng: Random, change: Callable[[str, str], str]) -> str:
    """Write an object anew with one of its pairs changed; a line that is no object is spoilt as text."""
    try:
        pairs = list(json.loads(line).items())
    except (ValueError, AttributeError, RecursionError):
        return line[: rng.randint(0, len(line))]
    if not pairs:
        return line
    texts = [(json.dumps(key), json.dumps(value)) for key, value in pairs]
    place = rng.randrange(len(texts))
    return (
        "{"
        + ", ".join(change(*pair) if at == place else f"{pair[0]}: {pair[1]}" for at, pair in enumerate(texts))
        + "}"
    )


def _no_object(_: str, rng: Random) -> str:
    return rng.choice(_NO_OBJECTS)


def _cut(line: str, rng: Random) -> str:
    return line[: rng.randint(0, len(line))]


def _twice(line: str, rng: Random) -> str:
    return line + rng.choice(["\n", "", " ", "\r", "\n \n"]) + line


def _long(line: str, rng: Random) -> str:
    return line.replace("}", f', "long": "{"x" * rng.choice([1 << 10, 1 << 19, (1 << 20) + 9])}"}}', 1)


_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    _value, _value, _bare, _bare, _nested, _wrapped, _doubled_key, _lost, _no_object, _cut, _twice,
)  # fmt: skip


def _damaged(content: bytes, rng: Random) -> bytes:
    place = rng.randint(0, len(content))
    match rng.randrange(12):
        case 0:
            return content[:place]
        case 1:
            return (
                content[:place] + rng.choice([b"\xff", b"\xed\xa0\x80", b"\0", b"\xc3", b'"', b"\\"]) + content[place:]
            )
        case 2:
            return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\xef\xbb\xbf"]) + content
        case 3:
            line, _, rest = content.partition(b"\n")
            return _long(line.decode("utf-8", "replace"), rng).encode() + b"\n" + rest
        case _:
            return content
