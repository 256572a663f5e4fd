"""Distinguish a line of delimited text that is a payment or a label by itself from a piece of somebody's text."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.parsing import Parsed, parse_labels
from counterfoil.domain.intake.parsing_amounts import parse_amounts
from counterfoil.domain.intake.parsing_times import parse_event_times, parse_label_times

_MOST_SHAPES = 10_000
_DIGIT = re.compile(rb"\d")


class LineTells(NamedTuple):
    """What a line tells: whether its time can be read, and its amount. A mapping without amounts has no `amount`."""

    time: bool
    amount: bool
    is_payment: bool
    """All that the mapping reads of these is there."""


NOTHING_TOLD = LineTells(time=False, amount=False, is_payment=False)


def lines_of(mapping: SourceMapping, header: Sequence[str]) -> Callable[[Sequence[bytes]], LineTells]:
    """Return what tells a line that is a row by itself, for payments or for labels alone."""
    return LinePayments(mapping, header) if mapping.fields.event_time else LineLabels(mapping, header)


class LinePayments:
    """Says what the cells of a line tell of a payment: a time, and an amount if amounts are mapped.

    Of cells that differ only in their digits one is parsed.
    """

    def __init__(self, mapping: SourceMapping, header: Sequence[str]) -> None:
        self._mapping = mapping
        times = [_place(header, column) for column in mapping.fields.columns().get("event_time", ())]
        self._times = [] if None in times else [place for place in times if place is not None]
        self._amount = _place(header, mapping.fields.amount)
        # Whichever side it is on, it is a payment; how many digits its currency has makes no difference either.
        style, debits = mapping.amount, "negative" if mapping.amount.has_sides else None
        self._style = style.model_copy(
            update={"debits": debits, "direction": None, "keep": "both", "unit": "major"}
            if debits
            else {"unit": "major"}
        )
        self._quote = mapping.file.quote.encode()
        self._known: dict[tuple[bytes, bytes], LineTells] = {}

    def __call__(self, cells: Sequence[bytes]) -> LineTells:
        """What these cells tell; without a time no line is known."""
        if not self._times:
            return NOTHING_TOLD
        time = b" ".join(_bare(cells[place], self._quote) for place in self._times)
        amount = b"" if self._amount is None else _bare(cells[self._amount], self._quote)
        shape = (_DIGIT.sub(b"1", time), _DIGIT.sub(b"1", amount))
        if shape not in self._known:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[shape] = self._read(time, amount)
        return self._known[shape]

    def _read(self, time: bytes, amount: bytes) -> LineTells:
        mapping, column = self._mapping, self._mapping.fields.amount
        has_time = _is_right(parse_event_times(_text(time), "", mapping.time))
        if column is None or self._amount is None:
            return LineTells(has_time, amount=False, is_payment=has_time)
        has_amount = _is_right(parse_amounts(_text(amount), column, self._style))
        return LineTells(has_time, has_amount, has_time and has_amount)


class LineLabels:
    """Says whether the cells of a line are a label: an id, a label that the mapping lists, and no wrong time of it."""

    def __init__(self, mapping: SourceMapping, header: Sequence[str]) -> None:
        self._mapping = mapping
        self._id, self._label = _place(header, mapping.fields.transaction_id), _place(header, mapping.fields.label)
        times = [_place(header, column) for column in mapping.fields.columns().get("label_time", ())]
        self._times = [place for place in times if place is not None]
        self._quote = mapping.file.quote.encode()

    def __call__(self, cells: Sequence[bytes]) -> LineTells:
        """What these cells tell; `time` is whether they are a label."""
        if self._id is None or self._label is None:
            return NOTHING_TOLD
        one, label = (_bare(cells[place], self._quote) for place in (self._id, self._label))
        time = b" ".join(_bare(cells[place], self._quote) for place in self._times)
        is_label = bool(one and label) and self._reads(label, time)
        return LineTells(is_label, amount=False, is_payment=is_label)

    def _reads(self, label: bytes, time: bytes) -> bool:
        labels, nulls = self._mapping.labels, self._mapping.file.null_values
        if labels is None or not _is_right(parse_labels(_text(label), "", labels, nulls)):
            return False
        return _is_right(parse_label_times(_text(time), "", self._mapping.time, nulls))


def _bare(cell: bytes, quote: bytes) -> bytes:
    return cell.replace(quote, b"").strip()


def _place(header: Sequence[str], column: str | None) -> int | None:
    return header.index(column) if column in header else None


def _text(cell: bytes) -> pa.Array:
    return pa.array([cell.decode("utf-8", "replace")], pa.string())


def _is_right(parsed: Parsed) -> bool:
    return not any(fault.rows.any() for fault in parsed.faults)
