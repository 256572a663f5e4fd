"""References that are added day by day to a release that stays as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from quality_evidence import labels_of

from counterfoil.domain.arrays import Flags, Floats, Integers, Labels
from counterfoil.domain.schemas import FRAUD
from counterfoil.steps.backtest import Windows

DAY = timedelta(days=1)
_DAY_US = 86_400_000_000

Base = tuple[Floats, Labels]
"""Vectors of references and their labels."""


@dataclass(frozen=True)
class Way:
    """How detection is kept up to date: trained before each week or before the first, and what is added daily.

    `good_a_day` is how many of the good payments that became known on one day are added.
    """

    name: str
    weekly: bool = False
    frauds: bool = False
    good_a_day: int = 0


def addable(payments: pa.Table, windows: Windows, moment: datetime, way: Way) -> Flags:
    """Which labelled payments are added as references by `moment`, (rows,).

    Their label was known by then, they were made since the training window began, and they were not trained on.
    The rows come in the order of a hash, so that the first good ones of a day are a fair sample.
    """
    made, known, labels = _micros(payments, "event_time"), _micros(payments, "known_at"), labels_of(payments)
    since, until, begin = (
        _as_micros(at) for at in (windows.training.since, windows.training.until, windows.test.since)
    )
    trained = (made < until) & (known <= begin)
    new = (made >= since) & ~trained & (known <= _as_micros(moment))
    fraud = labels == FRAUD
    return new & np.where(fraud, way.frauds, _place_in_day(known, fraud) < way.good_a_day)


def _place_in_day(known: Integers, fraud: Flags) -> Integers:
    """How many rows of the same kind before a row became known on the same day (UTC)."""
    frame = pd.DataFrame({"day": -(-known // _DAY_US), "fraud": fraud})
    return np.asarray(frame.groupby(["day", "fraud"]).cumcount(), dtype=np.int64)


def grown(base: Base, more: Base, added: Flags) -> Base:
    """A base with some of `more` (flags) behind it."""
    return np.vstack([base[0], more[0][added]]), np.concatenate([base[1], more[1][added]])


def days(windows: Windows) -> Iterator[datetime]:
    """The midnights on which the days of the test window begin. The window begins at one."""
    moment, until = windows.test.since, windows.test.until
    while moment is not None and until is not None and moment < until:
        yield moment
        moment += DAY


def of_day(payments: pa.Table, moment: datetime) -> Flags:
    """Which payments were made on the day that begins at `moment`, (rows,)."""
    made, begin = _micros(payments, "event_time"), _as_micros(moment)
    return (made >= begin) & (made < begin + _DAY_US)


def _micros(payments: pa.Table, name: str) -> Integers:
    moments = payments.column(name).cast(pa.timestamp("us", tz="UTC"))
    return np.asarray(moments.cast(pa.int64()).to_numpy(), dtype=np.int64)


def _as_micros(moment: datetime | None) -> int:
    if moment is None:
        raise ValueError("windows without a begin or an end have no days")
    return pa.scalar(moment, pa.timestamp("us", tz="UTC")).value
