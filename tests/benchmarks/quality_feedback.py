"""What feedback that acts at once does to rank and level: three weeks of the Handbook, beside the release left alone.

One release, trained as `quality_prequential.py` trains its first, scores all that comes since its training window.
From the first test week on people speak, in one of two ways:

- labels: every fraud is confirmed when its label comes, seven days after the payment;
- alerts: at the end of each day analysts say of its 100 riskiest payments what they were. Cards that are found
  compromised are blocked, so nobody looks at their payments again.

What was said goes the way that it goes in the service: decision log, trial on the last 10,000 scored payments, hold,
reach, overlay, intercept. Only sockets, reasons and PostgreSQL are left out. Evidence is the batch's: labels are in it
after seven days, whoever spoke before.

Takes a minute to build the evidence and train (none with --lakes, the second time), and four of a core a way.
"""

import argparse
import pickle
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
from feedback_weeks import Played, Stream, spoken_at_label_delay, spoken_of_alerts
from quality_cases import Case
from quality_daily import DAY, days, of_day
from quality_evidence import judged_payments, lake_of, opened, table_arguments
from quality_mean_lead import Window, mean_leads
from quality_prequential import METRICS, weeks
from report import markdown_table, print_machine, write_json

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.evaluation.evaluation import Measures
from counterfoil.domain.evaluation.paired import Difference
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.periods import Period
from counterfoil.domain.scoring.signal import margin
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import TextEmbedder
from counterfoil.steps.backtest import Windows
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.releases.registration import Candidate
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, fit_candidate

ALONE = "left alone"
LABELS, ALERTS = "labels", "alerts"
ALERTS_A_DAY = 100
COMPARED = ("average_precision", "card_precision", "brier_skill")
"""What has an interval: resampling moves the calibration error."""
ENCODED_AT_ONCE = 20_000


@dataclass(frozen=True)
class Judged:
    """A test week: the rows of the stream that are judged, and what they turned out to be."""

    name: str
    windows: Windows
    rows: Integers
    payments: pa.Table

    def scored(self, signals: Doubles) -> Scored:
        """The week with the signals of the whole stream."""
        return Scored.of(self.payments.append_column("signal", pa.array(signals[self.rows])), "signal")


@dataclass(frozen=True)
class Week:
    """The figures of a way in one week: values, their differences to the release left alone, and what words did."""

    values: Mapping[str, float | None]
    differences: Mapping[str, Difference]
    words: Mapping[str, int]

    def as_dict(self) -> dict[str, object]:
        """The same as plain data."""
        apart = {name: (one.value, one.low, one.high) for name, one in self.differences.items()}
        return {"values": dict(self.values), "less_left_alone": apart, "words": dict(self.words)}


def main() -> None:
    """Measure the weeks and print a table for each figure."""
    options = _options()
    cases = weeks(options.first, options.weeks)
    print_machine("start")
    with opened(options.lakes) as (workspace, lakes):
        tables = lake_of(cases[0], workspace, lakes)
        candidate = candidate_of(tables, cases[0], workspace.embedder, lakes)
        detector = Detector(candidate.release, candidate.references, workspace.embedder)
        stream = stream_of(tables, cases, detector)
        judged = [_judged(tables, case, stream) for case in cases]
    alone = signals_alone(stream, detector)
    found = {ALONE: [_week(week, alone, alone, {}, 0) for week in judged]}
    means = {}
    for way in options.ways:
        signals, words = play(way, stream, detector, judged)
        found[way] = [_week(week, signals, alone, words[week.name], options.draws) for week in judged]
        windows = [_window(week, signals, alone) for week in judged]
        means[way] = mean_leads(windows, draws=options.draws)[ALONE]
    _show(found, means, [case.name for case in cases], options.markdown)
    print_machine("\nend")
    plain = {way: [week.as_dict() for week in by_week] for way, by_week in found.items()}
    lead = {way: (one.value, one.low, one.high) for way, one in means.items()}
    write_json(options.json, {"benchmark": "feedback", "ways": plain, "mean_average_precision_less_alone": lead})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("--first", default="2018-06-27", help="first day of the first test week (%(default)s)")
    parser.add_argument("--weeks", type=int, default=3, help="how many test weeks in a row (%(default)s)")
    parser.add_argument("--draws", type=int, default=500, help="draws of accounts for the intervals (%(default)s)")
    parser.add_argument("--ways", nargs="+", default=[LABELS, ALERTS], choices=[LABELS, ALERTS])
    return parser.parse_args()


def candidate_of(tables: TableStore, case: Case, embedder: TextEmbedder, lakes: Path) -> Candidate:
    """The release that runs, fitted as the product does; kept beside the lakes."""
    kept = lakes / f"release-of-{case.name}.pickle"
    if kept.exists():
        candidate: Candidate = pickle.loads(kept.read_bytes())
        return candidate
    windows = case.windows(tables)
    request = TrainingRequest(windows.training, windows.test.since, case.delay / DAY)
    candidate = fit_candidate(tables, embedder, load_mapping(case.mapping), request)
    kept.write_bytes(pickle.dumps(candidate))
    return candidate


def stream_of(tables: TableStore, cases: Sequence[Case], detector: Detector) -> Stream:
    """All payments from the end of training to the end of the last week, compared with the base."""
    period = Period(cases[0].windows(tables).training.until, cases[-1].windows(tables).test.until)
    source = f"read_parquet({evidence_files(tables)!r}) WHERE {period.condition()}"
    with engine() as database:
        evidence = database.sql(f"FROM {source} ORDER BY event_time, transaction_id").to_arrow_table()
    parts = [evidence.slice(first, ENCODED_AT_ONCE) for first in range(0, evidence.num_rows, ENCODED_AT_ONCE)]
    vectors = np.concatenate([detector.vectors(part) for part in parts])
    nearest = detector.base.compare(vectors, detector.release.neighbours)
    times = evidence.column("event_time").cast(pa.timestamp("us")).to_numpy()
    ids = evidence.column("transaction_id").to_pylist()
    return Stream(evidence, ids, times, vectors, nearest.fraud, nearest.good)


def _judged(tables: TableStore, case: Case, stream: Stream) -> Judged:
    payments = judged_payments(tables, case, case.windows(tables))
    row = {name: place for place, name in enumerate(stream.ids)}
    rows = [row[name] for name in payments.column("transaction_id").to_pylist()]
    return Judged(case.name, case.windows(tables), np.array(rows, np.int64), payments)


def signals_alone(stream: Stream, detector: Detector) -> Doubles:
    """The signals of the release left alone."""
    return detector.release.calibration.probability(margin(stream.fraud.mean, stream.good.mean))


def play(
    way: str, stream: Stream, detector: Detector, judged: Sequence[Judged]
) -> tuple[Doubles, dict[str, Counter[str]]]:
    """The signals of the stream where people speak in one of the ways, and what their words did, by week."""
    played = Played(stream, detector)
    words: dict[str, Counter[str]] = {}
    cards: set[str] = set()
    confirmed = spoken_at_label_delay(stream) if way == LABELS else []
    for week in judged:
        before = len(played.effects)
        for midnight in days(week.windows):
            until = midnight + DAY
            played.score_until(midnight)
            if way == ALERTS:
                played.score_until(until)
                rows = week.rows[of_day(week.payments, midnight)]
                spoken = list(spoken_of_alerts(stream, played.signals, rows.tolist(), ALERTS_A_DAY, until, cards))
            else:
                spoken = [word for word in confirmed if midnight <= word.at < until]
            for word in spoken:
                played.score_until(min(word.at, until))
                played.hear(word)
            played.score_until(until)
            _tell(way, midnight.date().isoformat(), played)
        words[week.name] = Counter(effect.state.value for _, effect in played.effects[before:])
    return played.signals, words


def _tell(way: str, day: str, played: Played) -> None:
    overlay = played.champion.current().detector.overlay
    states = Counter(effect.state.value for _, effect in played.effects)
    print(
        f"  {way}: {day}: {len(overlay.references)} references, intercept {overlay.intercept}, {dict(states)}, "
        f"CPU {process_time():.0f} s",
        file=sys.stderr,
        flush=True,
    )


def _week(week: Judged, signals: Doubles, alone: Doubles, words: Mapping[str, int], draws: int) -> Week:
    """A week's figures, and their differences by paired draws of accounts."""
    first, second = (Measures.of(week.scored(one), alerts_per_day=ALERTS_A_DAY, top_k=100) for one in (signals, alone))

    def apart(copies: Integers) -> dict[str, Doubles]:
        ours, theirs = first.figures(copies), second.figures(copies)
        return {name: ours[name] - theirs[name] for name in COMPARED}

    bounds = first.bootstrapped(apart, draws=draws, seed=0).bounds
    once = apart(first.once())
    differences = {name: Difference(float(once[name][0]), *bounds.get(name, (None, None))) for name in COMPARED}
    metrics = first.evaluation(first.bootstrapped(apart, draws=0, seed=0)).metrics
    return Week({name: metrics[name] for name in METRICS}, differences, words)


def _window(week: Judged, signals: Doubles, alone: Doubles) -> Window:
    scored = week.scored(signals)
    return Window(scored.label, scored.account, scored.score, {ALONE: alone[week.rows]})


def _show(
    found: Mapping[str, Sequence[Week]], means: Mapping[str, Difference], names: Sequence[str], path: Path | None
) -> None:
    made = [_table(found, means, names)]
    print("\n" + "\n\n".join(made))
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(made) + "\n")


def _table(found: Mapping[str, Sequence[Week]], means: Mapping[str, Difference], names: Sequence[str]) -> str:
    header = ["week, way", *METRICS.values(), "AP less alone", "Brier skill less alone", "acted", "held", "other"]
    rows = []
    for place, name in enumerate(names):
        for way, by_week in found.items():
            week = by_week[place]
            values = [f"{week.values[metric]:.4f}" for metric in METRICS]
            apart = [_apart(week.differences[metric]) for metric in ("average_precision", "brier_skill")]
            acted, held = week.words.get("acts", 0), week.words.get("held", 0)
            other = sum(week.words.values()) - acted - held
            rows.append([f"{name}, {way}", *values, *apart, acted, held, other])
    for way, lead in means.items():
        rows.append([f"mean, {way}", *[""] * len(METRICS), _apart(lead), "", "", "", ""])
    return markdown_table("Feedback that acts at once", header, rows)


def _apart(one: Difference) -> str:
    if one.low is None:
        return f"{one.value:+.4f}"
    return f"{one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


if __name__ == "__main__":
    main()
