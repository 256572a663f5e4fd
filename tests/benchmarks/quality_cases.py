"""What quality is measured on: data sets with their windows, by each set's own protocol (days are UTC)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from measuring_data import HANDBOOK, TRANSACTIONS_2019

from counterfoil.domain.periods import Period
from counterfoil.ports.lake import TableStore
from counterfoil.steps.backtest import Windows, windows_by_fraction

WEEK = timedelta(days=7)
HANDBOOK_WEEKS = "handbook-weeks"


@dataclass(frozen=True)
class Case:
    """One backtest. `split` is the two windows, or the share of the payments, by time, that is trained on.

    With `exclude_compromised`, accounts known to be compromised leave the test. With `by_ip`, the running tally
    of frauds at a source IP is a peer, and payments from IPs seen and not seen in training are judged apart.
    Cases of one `group` are run when the group is asked for.
    """

    name: str
    file: str
    mapping: str
    split: Windows | float
    delay: timedelta = WEEK
    exclude_compromised: bool = False
    by_ip: bool = False
    group: str | None = None

    def windows(self, tables: TableStore) -> Windows:
        """Training and test window; the table `evidence` must be there."""
        return self.split if isinstance(self.split, Windows) else windows_by_fraction(tables, self.split)


def day(text: str) -> datetime:
    """Midnight (UTC) of a date such as 2019-10-01."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def week(first: str, name: str, group: str | None = None) -> Case:
    """The Handbook's protocol: a week of training, a week of waiting for labels, and the test week from `first`."""
    begin = day(first)
    windows = Windows(Period(begin - 2 * WEEK, begin - WEEK), Period(begin, begin + WEEK))
    return Case(name, HANDBOOK, "fraud-detection-handbook", windows, exclude_compromised=True, group=group)


CARDS_OF_2019 = Windows(Period(day("2019-01-01"), day("2019-09-24")), Period(day("2019-10-01")))

CASES = (
    Case("transactions_2019", TRANSACTIONS_2019, "amazon-fraud-detector-transactions", CARDS_OF_2019),
    week("2018-08-08", "handbook"),
    Case("ulb", "ulb_creditcard_subset.parquet", "ulb-credit-card", 0.7, delay=timedelta(0)),
    Case("registrations", "aws_registrations_20k.csv", "amazon-fraud-detector-registrations", 0.7, by_ip=True),
)
"""What is run when nothing is asked for."""

OTHER_WEEKS = tuple(
    week(first, f"handbook-{first}", HANDBOOK_WEEKS)
    for first in ("2018-05-23", "2018-06-06", "2018-06-20", "2018-07-18", "2018-08-22")
)
"""Further test weeks of the Handbook's payments: run only when asked for by name, one or as a group."""

FEW_LABELS = Case(
    "s-ffsd", "S-FFSD.zip", "s-ffsd", Windows(Period(day("2022-01-01"), day("2022-02-01")), Period(day("2022-02-08")))
)
"""Simulated cards of which 38 % have a label, with the entities of the shipped mapping: run only when asked for."""

_ALL = (*CASES, *OTHER_WEEKS, FEW_LABELS)
NAMES = (*(case.name for case in _ALL), HANDBOOK_WEEKS)


def cases_named(names: Iterable[str]) -> tuple[Case, ...]:
    """The cases with these names, or of these groups; the standing ones if no name is given."""
    asked = frozenset(names)
    found = tuple(case for case in _ALL if {case.name, case.group} & asked)
    return found if asked else CASES
