"""What the pipelines are measured on: a year of card payments, or a few simulated ones for a trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.compute as pc
from measuring_data import TRANSACTIONS_2019, data_file

from counterfoil.simulation import as_csv, simulate

DELAY = 7
_LATER = timedelta(days=7)


@dataclass(frozen=True)
class Case:
    """A history to train on and judge with, and payments after it to score. Days are UTC, both ends included."""

    name: str
    mapping: str
    history: Path
    new: Path
    train_until: date
    evaluate_from: date
    evaluate_until: date
    new_from: date

    def training(self) -> list[str]:
        """The parameters of the pipeline training."""
        return _parameters({
            "RawUri": self.history, "Mapping": self.mapping, "LabelDelayDays": DELAY, "TrainUntil": self.train_until,
            "EvaluateFrom": self.evaluate_from, "EvaluateUntil": self.evaluate_until,
        })  # fmt: skip

    def detection(self) -> list[str]:
        """The parameters of the pipeline detection: the release that training registered scores."""
        return _parameters({
            "RawUri": self.new, "Mapping": self.mapping, "LabelDelayDays": DELAY, "Release": "challenger",
        })  # fmt: skip

    def training_steps(self) -> dict[str, Sequence[Sequence[str]]]:
        """The same steps as commands, by the name of the pipeline's step; `{run}` is the run of the newest scores."""
        mapping, delay = ("--mapping", self.mapping), ("--label-delay-days", str(DELAY))
        judged = ("--since", str(self.evaluate_from), "--until", str(self.evaluate_until))
        return {
            "collect": [("collect", str(self.history), *mapping)],
            "curate": [("curate", *delay)],
            "features": [("features", *mapping, *delay, "--until", str(self.evaluate_until))],
            "train": [
                ("train", *mapping, *delay, "--until", str(self.train_until), "--known-until", str(self.evaluate_from))
            ],
            "evaluate": [("score", *judged), ("evaluate", "{run}")],
        }

    def detection_steps(self) -> dict[str, Sequence[Sequence[str]]]:
        """The steps of detection as commands."""
        mapping, delay = ("--mapping", self.mapping), ("--label-delay-days", str(DELAY))
        since = ("--since", str(self.new_from))
        return {
            "collect": [("collect", str(self.new), *mapping)],
            "curate": [("curate", *delay)],
            "features": [("features", *mapping, *delay, *since)],
            "detect": [("score", *since)],
        }


def _parameters(values: dict[str, object]) -> list[str]:
    return [part for name, value in values.items() for part in ("--param", f"{name}={value}")]


def card_year(folder: Path) -> Case:
    """The year 2019, and its last week's payments again a week later, under new ids."""
    history = data_file(TRANSACTIONS_2019)
    new = folder / "new.csv"
    times = "EVENT_TIMESTAMP", "LABEL_TIMESTAMP"
    moved = ", ".join(
        f"strftime({t}::TIMESTAMP + INTERVAL {_LATER.days} DAY, '%Y-%m-%dT%H:%M:%SZ') AS {t}" for t in times
    )
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * REPLACE (EVENT_ID || '-new' AS EVENT_ID, {moved}) "
            f"FROM read_csv('{history}', all_varchar = true) WHERE EVENT_TIMESTAMP >= '2019-12-25') TO '{new}'"
        )
    return Case(
        "transactions_2019", "amazon-fraud-detector-transactions", history, new,
        date(2019, 9, 23), date(2019, 10, 1), date(2019, 12, 31), date(2020, 1, 1),
    )  # fmt: skip


def simulated(folder: Path) -> Case:
    """Payments of 100 days and 300 accounts."""
    first, days = date(2026, 1, 1), 100
    payments = simulate(accounts=300, merchants=250, days=days, start=first, seed=7)
    judged, fresh = first + timedelta(days=65), first + timedelta(days=85)
    newer = pc.greater_equal(payments["paid_at"], str(fresh))
    history, new = folder / "history.csv", folder / "new.csv"
    history.write_bytes(as_csv(payments.filter(pc.invert(newer))))
    new.write_bytes(as_csv(payments.filter(newer)))
    return Case(
        "simulated payments", "counterfoil-simulated", history, new,
        judged - timedelta(days=DELAY + 1), judged, fresh - timedelta(days=1), fresh,
    )  # fmt: skip
