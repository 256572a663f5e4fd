"""Distinguish a line of delimited text that is a payment by itself from one that is a piece of a text."""

import re
from collections.abc import Sequence

import pyarrow as pa

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.parsing_amounts import parse_amounts
from counterfoil.domain.intake.parsing_times import parse_event_times

_MOST_SHAPES = 10_000
_DIGIT = re.compile(rb"\d")


class LinePayments:
    """Says whether the cells of a line are a payment: there is a time, and an amount if amounts are mapped.

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
        self._known: dict[tuple[bytes, bytes], bool] = {}

    def __call__(self, cells: Sequence[bytes]) -> bool:
        """Whether these are the cells of a payment, as far as time and amount tell; without a time none is known."""
        if not self._times:
            return False
        time = b" ".join(self._bare(cells[place]) for place in self._times)
        amount = b"" if self._amount is None else self._bare(cells[self._amount])
        shape = (_DIGIT.sub(b"1", time), _DIGIT.sub(b"1", amount))
        if shape not in self._known:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[shape] = self._reads(time, amount)
        return self._known[shape]

    def _bare(self, cell: bytes) -> bytes:
        return cell.replace(self._quote, b"").strip()

    def _reads(self, time: bytes, amount: bytes) -> bool:
        mapping, fields = self._mapping, self._mapping.fields
        parsed = [parse_event_times(_text(time), "", mapping.time)]
        if fields.amount is not None and self._amount is not None:
            parsed.append(parse_amounts(_text(amount), fields.amount, self._style))
        return not any(fault.rows.any() for column in parsed for fault in column.faults)


def _place(header: Sequence[str], column: str | None) -> int | None:
    return header.index(column) if column in header else None


def _text(cell: bytes) -> pa.Array:
    return pa.array([cell.decode("utf-8", "replace")], pa.string())
