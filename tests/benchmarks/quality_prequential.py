"""Prequential backtest: week after week of the Handbook's payments, each with the labels that were known by then.

Training is on seven days that end seven days before a test week. Ways that add references do so at midnight (UTC),
before the day's payments are scored: payments not trained on whose label became known, as vectors of the release in
use. Encoder, calibration and base stay as they are.

Takes two minutes to build the evidence (none with --lakes, the second time) and about five of a core a week.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from quality_cases import WEEK, Case, day, week
from quality_daily import Way, addable, days, grown, of_day
from quality_evidence import (
    base_of,
    fit,
    judged_payments,
    labelled_payments,
    labels_of,
    lake_of,
    opened,
    score,
    table_arguments,
    training_material,
)
from quality_tables import number
from report import markdown_table, print_machine, write_json

from counterfoil.domain.arrays import Doubles, Floats, Labels
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.evaluation.evaluation import evaluate
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.periods import Period
from counterfoil.domain.training.training import Fitted
from counterfoil.ports.lake import TableStore
from counterfoil.steps.backtest import Windows

METRICS = {
    "average_precision": "average precision",
    "card_precision": "card precision@100",
    "brier_skill": "Brier skill",
    "calibration_error": "calibration error",
}
GOOD_A_DAY = 1000
WAYS = (
    Way("trained once"),
    Way("trained weekly", weekly=True),
    Way("once, frauds daily", frauds=True),
    Way("once, frauds and good daily", frauds=True, good_a_day=GOOD_A_DAY),
    Way("weekly, frauds daily", weekly=True, frauds=True),
    Way("weekly, frauds and good daily", weekly=True, frauds=True, good_a_day=GOOD_A_DAY),
)
MOST = Way("all that any way adds", frauds=True, good_a_day=GOOD_A_DAY)

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Trained:
    """A fit and the windows that it was made for."""

    fitted: Fitted
    windows: Windows
    embed: Embed

    def encode(self, payments: pa.Table, labels: Labels | None = None) -> Floats:
        """Unit vectors of payments or, with labels, of references, (rows, dimensions)."""
        return self.fitted.encoder.encode(payments, self.embed, labels)


def main() -> None:
    """Measure the weeks and print a table of each figure."""
    options = _options()
    cases = weeks(options.first, options.weeks)
    print_machine("start")
    with opened(options.lakes) as (workspace, lakes):
        found = measure(lake_of(cases[0], workspace, lakes), cases, workspace.embedder.embed)
    made = [table_of(metric, found, cases) for metric in METRICS]
    print("\n" + "\n\n".join(made))
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text("\n\n".join(made) + "\n")
    names = [case.name for case in cases]
    write_json(options.json, {"benchmark": "prequential", "weeks": names, "ways": found})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("--first", default="2018-06-27", help="first day of the first test week (%(default)s)")
    parser.add_argument("--weeks", type=int, default=3, help="how many test weeks in a row (%(default)s)")
    return parser.parse_args()


def weeks(first: str, count: int) -> list[Case]:
    """Test weeks, one after the other, each with its training week."""
    dates = [(day(first) + place * WEEK).date().isoformat() for place in range(count)]
    return [week(date, date) for date in dates]


def measure(tables: TableStore, cases: Sequence[Case], embed: Embed) -> dict[str, list[Figures]]:
    """The figures of each week by the way's name."""
    found: dict[str, list[Figures]] = {way.name: [] for way in WAYS}
    first: Trained | None = None
    for case in cases:
        windows = case.windows(tables)
        newest = Trained(fit(training_material(tables, case, windows), embed), windows, embed)
        first = first or newest
        judged = judged_payments(tables, case, windows)
        pool = labelled_payments(tables, Period(first.windows.training.since, windows.test.until))
        for weekly, trained in ((False, first), (True, newest)):
            ways = [way for way in WAYS if way.weekly == weekly]
            for name, signals in signals_of(trained, judged, pool, windows, ways).items():
                found[name].append(figures(judged, signals))
                _tell(case.name, name, found[name][-1])
    return found


def signals_of(
    trained: Trained, judged: pa.Table, pool: pa.Table, windows: Windows, ways: Sequence[Way]
) -> dict[str, Doubles]:
    """Score a test week day by day; `pool` has the payments that may be added, in the order of a hash."""
    vectors, base = trained.encode(judged), base_of(trained.fitted)
    pool = pool.filter(pa.array(addable(pool, trained.windows, windows.test.until, MOST)))
    known = labels_of(pool)
    more = (trained.encode(pool, known), known)
    found = {way.name: np.empty(judged.num_rows) for way in ways}
    for moment in days(windows):
        rows = of_day(judged, moment)
        for way in ways:
            references = grown(base, more, addable(pool, trained.windows, moment, way))
            found[way.name][rows] = score(
                trained.fitted, judged.filter(pa.array(rows)), vectors[rows], references
            ).signals
    return found


def figures(judged: pa.Table, signals: Doubles) -> Figures:
    """What the signals of a week are worth."""
    accounts = np.asarray(judged.column("account_id").to_pylist(), dtype=object)
    times = judged.column("event_time").cast(pa.timestamp("us")).to_numpy()
    metrics = evaluate(Scored(labels_of(judged), signals, accounts, times), draws=0).metrics
    return {name: metrics[name] for name in METRICS}


def _tell(case: str, name: str, found: Figures) -> None:
    values = ", ".join(f"{METRICS[metric]} {number(value)}" for metric, value in found.items())
    print(f"  {case}: {name}: {values}", file=sys.stderr, flush=True)


def table_of(metric: str, found: Mapping[str, Sequence[Figures]], cases: Sequence[Case]) -> str:
    """One figure: a row a way, a column a week, and the mean."""
    header = ["", *(case.name for case in cases), "mean"]
    rows = []
    for name, by_week in found.items():
        values = [one[metric] for one in by_week]
        rows.append([name, *map(_shown(metric), values), _shown(metric)(_mean(values))])
    return markdown_table(f"{METRICS[metric]} by the test week's first day", header, rows)


def _shown(metric: str) -> Callable[[float | None], str]:
    """Errors of calibration are small: they get a place more."""
    return (lambda value: "-" if value is None else f"{value:.4f}") if metric == "calibration_error" else number


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None


if __name__ == "__main__":
    main()
