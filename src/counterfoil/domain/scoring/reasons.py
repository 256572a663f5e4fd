"""Why a payment has its margin: what each topic of its evidence adds to that of a usual payment.

Contributions are Shapley values over topics (Shapley 1953), estimated from random orders of the topics and their
reverses (antithetic permutation sampling: Mitchell, Cooper, Frank and Holmes 2022, section 4). In each order topics
go one by one from their usual to their actual values, so contributions and base add up to the margin exactly,
however few orders are drawn. A topic holds all columns that say the same kind of thing: taken one by one, each of
two columns that say the same would hide the other's effect.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Integers

Margins = Callable[[pa.Table], Doubles]
"""Evidence rows in, their margins (rows,) out."""

PAIRS = 2
"""Orders drawn, each with its reverse."""
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Explanation:
    """What the margins of payments are made of: `base` (rows,) + the sum of `contributions` (rows, topics).

    `base` is the margin of the payment with all of its evidence at its usual values.
    """

    topics: tuple[str, ...]
    base: Doubles
    contributions: Doubles


def explain(
    rows: pa.Table, usual: pa.Table, topics: Mapping[str, Sequence[str]], margins: Margins, *, seed: int = 0
) -> Explanation:
    """Explain the margins of evidence rows.

    `usual` has the same columns and rows, with usual values; `topics` maps a topic to its columns. Columns of no
    topic stay as they are. Each payment costs about `2 * PAIRS * (topics - 1)` margins. The drawn orders depend on
    `seed` and the number of topics only: a payment is explained alike alone and among others.
    """
    names = tuple(topics)
    orders = _orders(len(names), seed)
    sets = dict.fromkeys(frozenset(order[:size]) for order in orders for size in range(len(names) + 1))
    found = dict(zip(sets, _evaluate(rows, usual, topics, list(sets), margins), strict=True))
    contributions = np.zeros((rows.num_rows, len(names)))
    for order in orders:
        for before, after in pairwise(order[:size] for size in range(len(names) + 1)):
            contributions[:, after[-1]] += found[frozenset(after)] - found[frozenset(before)]
    return Explanation(names, found[frozenset()], contributions / len(orders))


def _orders(topics: int, seed: int) -> list[tuple[int, ...]]:
    drawn = np.random.default_rng(seed).permuted(np.tile(np.arange(topics), (PAIRS, 1)), axis=1)
    return [tuple(order) for row in drawn.tolist() for order in (row, row[::-1])]


def _evaluate(
    rows: pa.Table,
    usual: pa.Table,
    topics: Mapping[str, Sequence[str]],
    sets: Sequence[frozenset[int]],
    margins: Margins,
) -> list[Doubles]:
    """The margins of all rows for each set of topics that have their actual values."""
    most = max(1, ROWS_AT_ONCE // max(rows.num_rows, 1))
    both = pa.concat_tables([rows, usual]).combine_chunks()
    found: list[Doubles] = []
    for start in range(0, len(sets), most):
        some = sets[start : start + most]
        found += list(margins(_mixed(both, topics, some)).reshape(len(some), rows.num_rows))
    return found


def _mixed(both: pa.Table, topics: Mapping[str, Sequence[str]], sets: Sequence[frozenset[int]]) -> pa.Table:
    """For each set, the rows with usual values in the columns of all topics but those at the positions in the set.

    `both` are the rows, and below them as many with usual values.
    """
    rows = both.num_rows // 2
    actual = np.tile(np.arange(rows), len(sets))
    of_topics = {name for names in topics.values() for name in names}
    columns = _taken(both, [name for name in both.column_names if name not in of_topics], actual)
    for place, names in enumerate(topics.values()):
        is_usual = np.repeat([place not in chosen for chosen in sets], rows)
        columns |= _taken(both, names, actual + rows * is_usual)
    return pa.Table.from_arrays([columns[name] for name in both.column_names], schema=both.schema)


def _taken(table: pa.Table, names: Sequence[str], rows: Integers) -> dict[str, pa.ChunkedArray]:
    found = table.select(list(names)).take(pa.array(rows))
    return dict(zip(names, found.columns, strict=True))


def usual_rows(rows: pa.Table, usual: Mapping[str, float], strings: Collection[str]) -> pa.Table:
    """The same payments with usual values in the columns of `usual` and `strings`.

    A number is what the middle good payment of training had; of the amount, where the account's own past tells it,
    what the account usually pays. Texts have no usual value: they are null, which adds nothing to a vector.
    """
    columns = []
    for field in rows.schema:
        column = rows.column(field.name)
        if field.name == "amount" and OWN_AMOUNT in rows.column_names:
            column = _own_amount(rows, usual[field.name])
        elif field.name in usual:
            column = pa.repeat(pa.scalar(usual[field.name], field.type), rows.num_rows)
        elif field.name in strings:
            column = pa.nulls(rows.num_rows, field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=rows.schema)


OWN_AMOUNT = "account_amount_to_mean_30d"
"""Amount over the account's mean before it: divides the amount back into that mean."""


def _own_amount(rows: pa.Table, otherwise: float) -> pa.Array:
    amount, times = (np.asarray(rows.column(name).to_numpy(), dtype=np.float64) for name in ("amount", OWN_AMOUNT))
    known = np.isfinite(amount) & np.isfinite(times) & (times > 0)
    return pa.array(np.where(known, amount / np.where(known, times, 1.0), otherwise))
