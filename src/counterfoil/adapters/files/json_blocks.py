"""Read lines of JSON block by block: those that are written alike at once, the others one by one."""

import io
import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.adapters.files import record_batches
from counterfoil.adapters.files.json_shapes import Alike, Lines, Shape, shape_of
from counterfoil.domain.arrays import Flags, Integers

_BREAK = b"\n"[0]
_BLOCK_BYTES = 1 << 21
FEWEST_LINES = 256
"""Blocks of fewer lines are read faster one by one."""
FEWEST_ROWS = 64
"""So are fewer lines of a shape."""
_MOST_NEW = 16
"""Lines of a block that are tried as a shape."""
_MOST_KNOWN = 64


class Shapes:
    """The shapes that lines of a file have, and the columns that are read of them.

    Lines with a truth value in one of the `ids`, which are among the columns, are not read.
    """

    def __init__(self, columns: Sequence[str], nulls: Sequence[str], ids: Sequence[str]) -> None:
        self._columns = columns
        self._nulls = pa.array(nulls, pa.string())
        self._ids = ids
        self._known: list[Shape] = []

    def read(self, lines: Lines) -> tuple[Integers, pa.Table]:
        """Return which of the lines were read, ascending, and their texts in the columns."""
        left = np.flatnonzero(lines.plain & (lines.quote_counts > 0))
        found: list[tuple[Integers, pa.Table]] = []
        for shape in self._known:
            left = self._take(shape, lines, left, found)
        passed = -1
        for _ in range(_MOST_NEW):
            left = left[left > passed]
            if not len(left):
                break
            passed = int(left[0])
            shape_there = shape_of(lines.content[lines.starts[passed] : lines.ends[passed]])
            if shape_there is not None:
                self._known = [shape_there, *self._known[: _MOST_KNOWN - 1]]
                left = self._take(shape_there, lines, left, found)
        return _in_order(found, self._columns)

    def _take(self, shape: Shape, lines: Lines, left: Integers, found: list[tuple[Integers, pa.Table]]) -> Integers:
        """Add what has this shape to `found`; return the lines that have another one."""
        alike = Alike(lines, left[lines.quote_counts[left] == shape.quote_count])
        if not len(alike.rows):
            return left
        alike = shape.only(alike)
        is_left = np.ones(len(lines.ends), np.bool_)
        is_left[alike.rows] = False
        left = left[is_left[left]]
        if len(alike.rows) >= FEWEST_ROWS and shape.serves(self._columns):
            alike = alike.only(~shape.has_truth_value(self._ids, alike))
            found.append((alike.rows, self._table(shape, alike)))
        return left

    def _table(self, shape: Shape, alike: Alike) -> pa.Table:
        texts = [shape.column(name, alike) for name in self._columns]
        return pa.table([self._with_nulls(column) for column in texts], names=list(self._columns))

    def _with_nulls(self, texts: pa.Array) -> pa.Array:
        is_null = pc.is_in(texts, value_set=self._nulls)
        return pc.if_else(is_null, pa.scalar(None, pa.string()), texts) if pc.any(is_null).as_py() else texts


class Blocks:
    """A stream as blocks of whole lines; `rest` is what begins with a line longer than `longest`, if there is one."""

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self.rest: BinaryIO | None = None

    def __iter__(self) -> Iterator[tuple[bytes, Integers]]:
        """Yield the next lines, as many as one batch has at most, and where their line breaks are.

        Only the last line of all may have no line break.
        """
        held = b""
        while chunk := self._stream.read(_BLOCK_BYTES - len(held)):
            held += chunk
            held = yield from _batches_in(held, also_less=len(held) >= _BLOCK_BYTES)
            if len(held) > self._longest and b"\n" not in held:
                self.rest = io.BufferedReader(_Rejoined(held, self._stream))
                return
        held = yield from _batches_in(held, also_less=True)
        if held:
            yield held, _breaks_in(held)


def _batches_in(held: bytes, *, also_less: bool) -> Generator[tuple[bytes, Integers], None, bytes]:
    """Yield as many lines as one batch has, and less of them at the end if that is wanted; return what is left."""
    ends, most, begin = _breaks_in(held), record_batches.ROWS, 0
    while len(ends) >= most or (also_less and len(ends)):
        end = int(ends[:most][-1]) + 1
        yield held[begin:end], ends[:most] - begin
        begin, ends = end, ends[most:]
    return held[begin:]


def _breaks_in(content: bytes) -> Integers:
    """Return where line breaks are."""
    return np.flatnonzero(np.frombuffer(content, np.uint8) == _BREAK)


class _Rejoined(io.RawIOBase):
    """What was read of a stream, and then what is left in it."""

    def __init__(self, held: bytes, stream: BinaryIO) -> None:
        self._held = io.BytesIO(held)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        chunk = self._held.read(len(buffer)) or self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def runs(flags: Flags) -> Iterator[tuple[int, int, bool]]:
    """Yield where each run of equal flags begins and ends, and the flag."""
    edges = [0, *(np.flatnonzero(flags[1:] != flags[:-1]) + 1), len(flags)]
    for begin, end in itertools.pairwise(edges):
        if begin < end:
            yield int(begin), int(end), bool(flags[begin])


def _in_order(found: Sequence[tuple[Integers, pa.Table]], columns: Sequence[str]) -> tuple[Integers, pa.Table]:
    if not found:
        return np.empty(0, np.int64), pa.schema([(name, pa.string()) for name in columns]).empty_table()
    rows = np.concatenate([rows for rows, _ in found])
    table = pa.concat_tables([table for _, table in found])
    if len(found) == 1:
        return rows, table
    order = np.argsort(rows)
    return rows[order], table.take(pa.array(order)).combine_chunks()
