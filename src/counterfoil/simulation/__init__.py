"""Payments of our own making, so that everything can be tried without anybody's data.

The generator is original: it follows no published simulator. The same arguments give the same bytes.
"""

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from counterfoil.errors import UsageError
from counterfoil.simulation.dirt import DIRT, as_csv, spoil
from counterfoil.simulation.frauds import fraudulent_payments
from counterfoil.simulation.habits import good_payments
from counterfoil.simulation.layout import as_table
from counterfoil.simulation.names import CATEGORIES
from counterfoil.simulation.payments import DAY, KINDS
from counterfoil.simulation.world import build_world

__all__ = ["DIRT", "FRAUD_RATE", "KINDS", "as_csv", "simulate", "simulate_with_kinds", "spoil"]

FRAUD_RATE = 0.0075
"""Frauds for each good payment that are aimed for."""

FEWEST_ACCOUNTS = 20
FEWEST_DAYS = 30


def simulate(*, accounts: int = 400, merchants: int = 300, days: int = 120, start: date, seed: int) -> pa.Table:
    """Simulate the payments of `days` days from `start` (UTC), in order of time; all columns are text.

    Columns: payment_id, paid_at, account, card_bin, merchant, merchant_category, amount (two decimals),
    currency (EUR), ip_address (of 198.18.0.0/15, RFC 2544), device, email, is_fraud ("1", "0", "" not known
    yet), labelled_at. Times are ISO 8601 with Z. An account pays 2.1 times a day on average; about 0.75 % of
    the payments are frauds, more in very small simulations.

    Raises UsageError for fewer than 20 accounts, 30 days or one merchant for each category.
    """
    return simulate_with_kinds(accounts=accounts, merchants=merchants, days=days, start=start, seed=seed)[0]


def simulate_with_kinds(
    *, accounts: int = 400, merchants: int = 300, days: int = 120, start: date, seed: int
) -> tuple[pa.Table, NDArray[np.str_]]:
    """Like `simulate`, with the kind of fraud of each row (rows,): one of `KINDS`, "" for good payments."""
    _check(accounts, merchants, days)
    rng = np.random.default_rng(seed)
    world = build_world(accounts, merchants, days, start.weekday(), rng)
    good = good_payments(world, rng)
    frauds, last_second = fraudulent_payments(world, good, FRAUD_RATE, rng)
    rows = np.concatenate([good, frauds])
    rows = rows[(rows["second"] < days * DAY) & (rows["second"] <= last_second[rows["account"]])]
    rows = rows[np.lexsort((rows["merchant"], rows["account"], rows["second"]))]
    return as_table(world, rows, start, rng), np.array(KINDS)[rows["kind"]]


def _check(accounts: int, merchants: int, days: int) -> None:
    for name, value, fewest in (
        ("accounts", accounts, FEWEST_ACCOUNTS),
        ("merchants", merchants, len(CATEGORIES)),
        ("days", days, FEWEST_DAYS),
    ):
        if value < fewest:
            raise UsageError(f"{name} must be at least {fewest} for a simulation, not {value}")
