"""Read many lines of JSON at once that are written alike: the same keys in the same order, only the values differ.

One line is parsed with care and becomes a shape: what stands between its values. Lines whose bytes are those of the
shape, and whose values are plain texts, numbers, truth values or nulls, are JSON objects just as that line is, so their
values are cut out by where they begin and end. No other line is read here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.adapters.files.utf8_streams import is_utf8
from counterfoil.domain.arrays import Flags, Integers, mask_of
from counterfoil.domain.intake.json_records import Json, cells, parse_record
from counterfoil.domain.intake.raw import BadRecordError

_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_BARE = rf"(?:{_NUMBER}|true|false|null)"
_ALL_BARE = rf"\A{_BARE}\z"
_TOKEN = re.compile(rf'(?P<text>"[^"\\]*")(?P<key>\s*:)?|(?P<bare>{_BARE})|(?P<other>[^"])'.encode())
_BETWEEN = (b"{", b"}", b"[", b"]", b",", b":", b" ", b"\r")
_WORD = 8
_QUOTE, _RETURN, _ESCAPE, _FIRST_PRINTED, _FIRST_OF_MANY = (
    b'"'[0], b"\r"[0], b"\\"[0], 0x20, 0x80
)  # fmt: skip

Words = npt.NDArray[np.uint64]


class Lines:
    """Whole lines, each with its line break (`breaks`), and where quotes and lines are in them."""

    def __init__(self, content: bytes, breaks: Integers) -> None:
        self.content = content
        self.signs = np.frombuffer(content + bytes(_WORD), np.uint8)
        self.ends = breaks
        self.starts: Integers = np.concatenate([[0], breaks[:-1] + 1])
        self._mask: Flags = self.signs == _QUOTE
        self.quotes: Integers = np.flatnonzero(self._mask)
        bounds = np.searchsorted(self.quotes, np.concatenate([[0], breaks]))
        self.first_quotes: Integers = bounds[:-1]
        self.quote_counts: Integers = np.diff(bounds)

    @cached_property
    def words(self) -> Words:
        """The eight bytes from each place on, as one number."""
        return np.ndarray((len(self.signs) - _WORD + 1,), "<u8", buffer=self.signs.data, strides=(1,))

    @cached_property
    def plain(self) -> Flags:
        """Which lines are UTF-8 with neither escapes nor control characters, but for a carriage return at their end."""
        plain = np.ones(len(self.ends), np.bool_)
        signs = self.signs[: len(self.content)]
        odd = np.less(signs, _FIRST_PRINTED, out=self._mask[: len(signs)])  # the memory is there already
        if b"\\" in self.content:
            odd |= signs == _ESCAPE
        if not is_utf8(self.content):
            odd |= signs >= _FIRST_OF_MANY
        if np.count_nonzero(odd) == len(self.ends):  # their line breaks
            return plain
        places = np.flatnonzero(odd)
        lines = np.searchsorted(self.ends, places)
        is_end = places == self.ends[lines]
        is_end |= (signs[places] == _RETURN) & (places + 1 == self.ends[lines])
        plain[lines[~is_end]] = False
        return plain


@dataclass(frozen=True)
class Alike:
    """Some of the lines, by their positions; all have as many quotes."""

    lines: Lines
    rows: Integers

    def only(self, flags: Flags) -> "Alike":
        """Those with a flag."""
        return self if flags.all() else Alike(self.lines, self.rows[flags])

    def places(self, quote: int | None) -> Integers:
        """Where in each line the quote of this number is; -1: its begin, None: its end."""
        if quote is None:
            return self.lines.ends[self.rows]
        if quote < 0:
            return self.lines.starts[self.rows]
        if self._table is not None:
            return self._table[:, quote]
        return self.lines.quotes[self._first + quote]

    @cached_property
    def _first(self) -> Integers:
        return self.lines.first_quotes[self.rows]

    @cached_property
    def _table(self) -> Integers | None:
        """The quotes of lines that follow one another: a row each, without a copy."""
        if not len(self.rows) or self.rows[-1] - self.rows[0] + 1 != len(self.rows):
            return None
        count, first = int(self.lines.quote_counts[self.rows[0]]), int(self._first[0])
        return self.lines.quotes[first : first + count * len(self.rows)].reshape(len(self.rows), count)


@dataclass(frozen=True)
class _Place:
    """A place in each line: `offset` bytes after its quote number `quote`; -1: its begin, None: its end."""

    quote: int | None
    offset: int

    def of(self, alike: Alike) -> Integers:
        return alike.places(self.quote) + self.offset


@dataclass(frozen=True)
class _Value:
    begin: _Place
    end: _Place
    is_text: bool


@dataclass(frozen=True)
class Shape:
    """What lines that are written alike have in common.

    `quote_count` is how many quotes each has, `between` what stands at which place, `values` where their values are,
    and `records` one of the objects with each value's number in place of it.
    """

    quote_count: int
    between: tuple[tuple[_Place, bytes], ...]
    values: tuple[_Value, ...]
    record: Json

    def only(self, alike: Alike) -> Alike:
        """Those of the lines that have this shape; none has an escape, and each as many quotes as this."""
        for place, text in self.between:
            alike = alike.only(_stands_at(alike.lines.words, place.of(alike), text))
            if not len(alike.rows):
                return alike
        for value in self.values:
            if not value.is_text:
                alike = alike.only(value.begin.of(alike) < value.end.of(alike))
                alike = alike.only(mask_of(pc.match_substring_regex(_texts(value, alike), _ALL_BARE)))
        return alike

    def column(self, name: str, alike: Alike) -> pa.Array:
        """The texts of a column in lines of this shape; null where there is nothing or null."""
        value = self._value(name)
        if value is None:
            return pa.nulls(len(alike.rows), pa.string())
        texts = _texts(value, alike)
        return texts if value.is_text else pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), texts)

    def has_truth_value(self, columns: Sequence[str], alike: Alike) -> Flags:
        """Which of these lines have true or false in one of the columns, and no text."""
        found: Flags = np.zeros(len(alike.rows), np.bool_)
        for value in map(self._value, columns):
            if value is not None and not value.is_text:
                found |= mask_of(pc.is_in(_texts(value, alike), value_set=pa.array(["true", "false"])))
        return found

    def serves(self, columns: Sequence[str]) -> bool:
        """Whether each of the columns is one value or none, whatever is null: no object, no list, no second place."""
        return all(self._is_single(name) for name in columns)

    def _is_single(self, name: str) -> bool:
        try:
            (found,) = cells(self.record, [name])
        except BadRecordError:
            return False
        if found is None:
            return True
        (other,) = cells(_without(self.record, found), [name])
        return other is None

    def _value(self, name: str) -> _Value | None:
        (found,) = cells(self.record, [name])
        return None if found is None else self.values[int(found)]


def shape_of(line: bytes) -> Shape | None:
    """Return the shape of a line without its line break; None if it is no object, or written in a way of its own."""
    try:
        parse_record(line.decode())
    except (BadRecordError, UnicodeError):
        return None
    made = _Made(line)
    if not all(made.take(token) for token in _TOKEN.finditer(line)):
        return None
    made.close()
    record = parse_record(b"".join(made.numbered).decode())
    return Shape(made.quotes, tuple(made.between), tuple(made.values), record)


class _Made:
    """A shape in the making: texts and bare values end what stands between."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._anchor = _Place(-1, 0)
        self._since = 0
        self._bare: tuple[_Place, int] | None = None
        self.quotes = 0
        self.between: list[tuple[_Place, bytes]] = []
        self.values: list[_Value] = []
        self.numbered: list[bytes] = []

    def take(self, token: "re.Match[bytes]") -> bool:
        """Take in the next token; False if it is none of JSON, or the second bare value without a quote between."""
        if token["text"] is None:
            self.numbered.append(token[0])
            return token[0] in _BETWEEN if token["bare"] is None else self._take_bare(token)
        self._end_bare(token.start(), self.quotes)
        if token["key"] is None:
            self._stood(token.start() + 1)
            self._add(_Value(_Place(self.quotes, 1), _Place(self.quotes + 1, 0), is_text=True))
            self._anchor, self._since = _Place(self.quotes + 1, 0), token.end() - 1
        else:
            self.numbered.append(token[0])
        self.quotes += 2
        return True

    def close(self) -> None:
        """Take in the end of the line."""
        self._end_bare(len(self._line), None)
        # Counted from the last quote it would not say that the line ends there.
        self._anchor = _Place(None, self._since - len(self._line))
        self._stood(len(self._line))

    def _take_bare(self, token: "re.Match[bytes]") -> bool:
        if self._bare is not None:
            return False
        self._stood(token.start())
        self._bare = (_Place(self._anchor.quote, self._anchor.offset + token.start() - self._since), len(self.values))
        self.values.append(_Value(self._bare[0], self._bare[0], is_text=False))
        self.numbered[-1] = b'"%d"' % self._bare[1]
        self._since = token.end()
        return True

    def _end_bare(self, here: int, quote: int | None) -> None:
        """Say where the bare value ended, counted back from the next quote, or from the line's end."""
        if self._bare is None:
            return
        begin, number = self._bare
        end = _Place(quote, self._since - here)
        self.values[number] = _Value(begin, end, is_text=False)
        self._anchor, self._bare = end, None

    def _add(self, value: _Value) -> None:
        self.numbered.append(b'"%d"' % len(self.values))
        self.values.append(value)

    def _stood(self, until: int) -> None:
        text = self._line[self._since : until]
        if text:
            self.between.append((self._anchor, text))


def _stands_at(words: Words, places: Integers, text: bytes) -> Flags:
    """At which places a text stands. They may be so near the end that it cannot."""
    found: Flags = np.ones(len(places), np.bool_)
    if places[0] < 0 or places[-1] + len(text) >= len(words):  # they ascend, as lines do
        found = (places >= 0) & (places + len(text) < len(words))
        places = np.where(found, places, 0)
    for begin in range(0, len(text), _WORD):
        piece = text[begin : begin + _WORD]
        there = words[places + begin]
        if len(piece) < _WORD:
            there &= np.uint64(int.from_bytes(b"\xff" * len(piece), "little"))
        found &= there == np.uint64(int.from_bytes(piece, "little"))
    return found


def _texts(value: _Value, alike: Alike) -> pa.Array:
    if not len(alike.rows):
        return pa.array([], pa.string())
    bounds = np.empty(2 * len(alike.rows), np.int32)
    bounds[::2] = value.begin.of(alike)
    bounds[1::2] = value.end.of(alike)
    pieces = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(alike.lines.content))
    # Arrow's own pool gives its pages back between blocks: to ask for them again takes a fourth of the time.
    return pc.take(pieces, pa.array(np.arange(0, len(bounds) - 1, 2)), memory_pool=pa.system_memory_pool())


def _without(record: Json, number: str) -> Json:
    """The object with null in place of one value."""
    return {
        key: _without(value, number) if isinstance(value, dict) else None if value == number else value
        for key, value in record.items()
    }
