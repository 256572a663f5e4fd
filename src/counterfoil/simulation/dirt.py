"""Dirty rows among clean ones, so that a demonstration has something to reject."""

import csv
import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa

Row = dict[str, str]


def as_csv(table: pa.Table) -> bytes:
    """A table of text as UTF-8 CSV with a header and Unix line ends, quoted only where it must be."""
    return _written(table.column_names, _values(table))


def spoil(table: pa.Table, rng: np.random.Generator) -> bytes:
    """CSV of a simulated table with one more row of each kind of dirt in `DIRT`, at random places.

    The table's own rows all stay as they are. Raises ValueError for a table without rows.
    """
    names = table.column_names
    records = _values(table)
    models = rng.integers(len(records), size=len(DIRT))
    places = np.sort(rng.integers(1, len(records) + 1, size=len(DIRT)))
    dirty = [
        _dirty(dict(zip(names, records[model], strict=True)), number, soil)
        for number, (model, soil) in enumerate(zip(models, DIRT.values(), strict=True))
    ]
    # From the back, so that earlier places stay true.
    for place, record in reversed(list(zip(places, dirty, strict=True))):
        records.insert(place, record)
    return _written(names, records)


def _dirty(row: Row, number: int, soil: Callable[[Row], list[str]]) -> list[str]:
    """Spoil a copy of a row; it gets an id of its own, which `duplicate id` puts back."""
    return soil(row | {"payment_id": f"X{number:08d}", "copied_id": row["payment_id"]})


def _record(row: Row, **changed: str) -> list[str]:
    return [value for name, value in (row | changed).items() if name != "copied_id"]


DIRT: dict[str, Callable[[Row], list[str]]] = {
    "impossible date": lambda row: _record(row, paid_at=f"{row['paid_at'][:4]}-02-30T10:15:00Z"),
    "negative amount": lambda row: _record(row, amount=f"-{row['amount']}"),
    "too few columns": lambda row: _record(row)[:-4],
    "too many columns": lambda row: [*_record(row), "see attachment", "A. N."],
    "amount with a decimal comma": lambda row: _record(row, amount="1.234,56"),
    "missing id": lambda row: _record(row, payment_id=""),
    "duplicate id": lambda row: _record(row, payment_id=row["copied_id"]),
    "missing time": lambda row: _record(row, paid_at=""),
}
"""What is wrong -> how a row gets so."""


def _values(table: pa.Table) -> list[list[str]]:
    return [list(record) for record in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _written(names: list[str], records: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(records)
    return text.getvalue().encode()
