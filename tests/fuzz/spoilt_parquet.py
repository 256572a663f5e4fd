"""Spoil Parquet where it has structure: types of columns, row groups, pages, and the footer that tells where all is."""

import datetime as dt
import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hostile_values import pick

_TAIL = 8
"""The length of the footer in four bytes, and the mark of the format."""
_MOMENT = dt.datetime(2024, 1, 1, 10)
_TYPED: tuple[Callable[[int], pa.Array], ...] = (
    lambda rows: pa.array(range(rows), pa.int64()),
    lambda rows: pa.array(range(rows), pa.uint8()),
    lambda rows: pa.array([4111111111111111] * rows, pa.int64()),
    lambda rows: pa.array([float("nan"), 1e308, -0.0, float("inf")] * rows, pa.float64())[:rows],
    lambda rows: pa.array([1.5] * rows, pa.float32()),
    lambda rows: pa.array([None] * rows, pa.null()),
    lambda rows: pa.array([True] * rows),
    lambda rows: pa.array([Decimal("1.23456")] * rows, pa.decimal128(38, 5)),
    lambda rows: pa.array([Decimal("-9" * 1)] * rows, pa.decimal256(70, 0)),
    lambda rows: pa.array([_MOMENT] * rows, pa.timestamp("ns")),
    lambda rows: pa.array([_MOMENT] * rows, pa.timestamp("ms", "Europe/Berlin")),
    lambda rows: pa.array([2**62] * rows, pa.int64()).cast(pa.timestamp("us")),
    lambda rows: pa.array([_MOMENT.date()] * rows),
    lambda rows: pa.array([dt.time(1)] * rows),
    lambda rows: pa.array([b"\xff\0"] * rows, pa.binary()),
    lambda rows: pa.array([b"four"] * rows, pa.binary(4)),
    lambda rows: pa.array([["a"], None] * rows, pa.list_(pa.string()))[:rows],
    lambda rows: pa.array([{"a": 1}] * rows),
    lambda rows: pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
    lambda rows: pa.array(["one"] * rows).dictionary_encode(),
    lambda rows: pa.array(["large"] * rows, pa.large_string()),
    lambda rows: _no_text(rows),
)


def spoil_parquet(names: Sequence[str], rows: Sequence[Sequence[str]], rng: Random) -> bytes:
    """Return a file of these rows with changed columns, written in one of many ways and sometimes damaged.

    It is made anew each time: no part of a file that was changed before can be told apart.
    """
    content = _written(_table(names, rows, rng), rng)
    return rng.choice(_DAMAGES)(content, rng) if rng.random() < 0.6 else content


def _no_text(rows: int) -> pa.Array:
    """A column that says it is text and holds bytes that are none."""
    raw = pa.array([b"caf\xe9", b"ok"] * rows, pa.binary())[:rows]
    return pa.Array.from_buffers(pa.string(), rows, pa.concat_arrays([raw]).buffers())


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], rng: Random) -> pa.Table:
    chosen = [list(row) for row in rows] * rng.choice([0, 1, 1, 3, 50])
    for row in rng.sample(chosen, min(len(chosen), 3)):
        row[rng.randrange(len(row))] = pick(rng)
    columns: dict[str, Any] = {name: pa.array([row[at] or None for row in chosen]) for at, name in enumerate(names)}
    for name in rng.sample(list(names), rng.randint(0, 3)):
        columns[name] = rng.choice(_TYPED)(len(chosen))
    if rng.random() < 0.1:
        del columns[rng.choice(list(names))]
    pairs = list(columns.items())
    if rng.random() < 0.1:
        pairs.append(rng.choice(pairs))
    if rng.random() < 0.3:
        rng.shuffle(pairs)
    return pa.Table.from_arrays([values for _, values in pairs], names=[name for name, _ in pairs])


def _written(table: pa.Table, rng: Random) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=rng.choice([1, 3, 1_000]),
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
        use_dictionary=rng.random() < 0.5,
        write_statistics=rng.random() < 0.5,
        data_page_version=rng.choice(["1.0", "2.0"]),
        data_page_size=rng.choice([16, 1 << 20]),
        version=rng.choice(["1.0", "2.6"]),
        coerce_timestamps=None,
        store_schema=rng.random() < 0.8,
        write_page_checksum=rng.random() < 0.3,
    )
    return sink.getvalue()


def _footer_of(content: bytes) -> int:
    """Where the footer begins."""
    return len(content) - _TAIL - int.from_bytes(content[-_TAIL:-4], "little")


def _length_wrong(content: bytes, rng: Random) -> bytes:
    length = len(content) - _TAIL - _footer_of(content)
    wrong = rng.choice([0, 1, length - 1, length + 1, len(content), 2**31 - 1, 2**32 - 1])
    return content[:-_TAIL] + max(wrong, 0).to_bytes(4, "little") + content[-4:]


def _footer_bytes(content: bytes, rng: Random) -> bytes:
    return _overwritten(content, rng, _footer_of(content), len(content) - _TAIL)


def _page_bytes(content: bytes, rng: Random) -> bytes:
    return _overwritten(content, rng, 4, _footer_of(content))


def _overwritten(content: bytes, rng: Random, start: int, end: int) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = rng.randrange(start, max(end, start + 1))
        changed[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(changed)


def _group_cut(content: bytes, rng: Random) -> bytes:
    """Take bytes out of the row groups: every offset behind them is wrong."""
    start = rng.randrange(4, max(_footer_of(content), 5))
    return content[:start] + content[start + rng.choice([1, 16, 200]) :]


def _cut(content: bytes, rng: Random) -> bytes:
    return content[: rng.randint(0, len(content))]


def _beheaded(content: bytes, rng: Random) -> bytes:
    return rng.choice([b"PARE", b"", b"\0\0\0\0", b"PAR1PAR1"]) + content[4:]


def _mark_wrong(content: bytes, rng: Random) -> bytes:
    return content[:-4] + rng.choice([b"PARE", b"PAR2", b"", b"PAR1\0"])


def _footers_of_another(content: bytes, rng: Random) -> bytes:
    """The footer without the rows that it tells of."""
    return content[: rng.choice([4, 40])] + content[_footer_of(content) :]


_DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _length_wrong, _footer_bytes, _footer_bytes, _footer_bytes, _page_bytes, _page_bytes, _group_cut, _cut, _beheaded,
    _mark_wrong, _footers_of_another,
)  # fmt: skip
