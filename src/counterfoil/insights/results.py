"""What a notebook shows of a release, of scores, of a score beside its precedents, and of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from counterfoil.adapters.report import charts
from counterfoil.adapters.report.page import Chart, Table, snippet
from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS
from counterfoil.domain.evaluation.metrics import METRICS
from counterfoil.domain.evaluation.ranking import Ranking
from counterfoil.domain.release.release import Release
from counterfoil.errors import UsageError
from counterfoil.insights.report.cases import case_view
from counterfoil.insights.rows import Rows
from counterfoil.steps.insights.evaluate_run import EvaluatedRun
from counterfoil.steps.insights.riskiest import Case

_POINTS = 300
_LINES = 3


@dataclass(frozen=True)
class ReleaseView:
    """A release. `release` has everything; a notebook shows the most of it."""

    release: Release

    @property
    def id(self) -> str:
        """The release's id, which is made of its content."""
        return self.release.release_id

    @property
    def validation(self) -> Rows:
        """What it reached on later blocks of its own training window."""
        return _named("Reached on later blocks of the training window", "figure", self.release.validation)

    @property
    def ablation(self) -> Rows:
        """Its average precision on those blocks where one block of the vector is silenced."""
        return _named("Average precision with one block of the vector silenced", "silenced", self.release.ablation)

    def _repr_html_(self) -> str:
        release = self.release
        good = release.reference_rows - release.reference_frauds
        limits = (release.thresholds.review, release.thresholds.block)
        review, block = ("never" if limit is None else f"from {limit:.4f}" for limit in limits)
        facts = [
            ("mapping", release.mapping),
            ("trained on", f"{release.training_rows:,} payments, {release.training_frauds:,} of them frauds"),
            ("keeps as references", f"{release.reference_frauds:,} frauds and {good:,} good payments"),
            ("signal", release.calibration.kind.value),
            ("review", review), ("block", block),
            ("numbers", ", ".join(release.encoder.schema.numeric)),
            ("categories", ", ".join(release.encoder.schema.categorical)),
            ("left out", "; ".join(f"{name} ({reason})" for name, reason in release.left_out.items())),
            ("notes", "; ".join(release.notes)),
        ]  # fmt: skip
        return snippet(f"Release {self.id}", facts=[(name, value) for name, value in facts if value])


def _named(title: str, what: str, values: Mapping[str, float]) -> Rows:
    kinds = pa.schema([(what, pa.string()), ("value", pa.float64())])
    return Rows(title, pa.table({what: list(values), "value": list(values.values())}, schema=kinds))


@dataclass(frozen=True)
class ScoredCase:
    """A payment as it was scored, beside the kept payments that it is most like."""

    case: Case

    @property
    def decision(self) -> str:
        """What was decided: allow, review or block."""
        return self.case.decision

    @property
    def signal(self) -> float:
        """The anomaly signal, from 0 to 1."""
        return self.case.signal

    @property
    def precedents(self) -> tuple[str, ...]:
        """The ids of the kept payments that it is compared with, the most similar of each side first."""
        return tuple(precedent.id for precedent in self.case.precedents)

    def _repr_html_(self) -> str:
        verdict = {1: "turned out fraud", 0: "turned out good", None: "not labelled yet"}[self.case.payment.label]
        return snippet("", cases=[case_view(self.case, f"{self.decision}, {verdict}")])


@dataclass(frozen=True)
class Cases:
    """Several scored payments, each beside its precedents."""

    cases: tuple[Case, ...]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.cases)

    def __getitem__(self, place: int) -> ScoredCase:
        """One of them."""
        return ScoredCase(self.cases[place])

    def _repr_html_(self) -> str:
        return "".join(ScoredCase(case)._repr_html_() for case in self.cases)


@dataclass(frozen=True)
class Drawing:
    """Charts that a notebook shows."""

    charts: tuple[Chart, ...]

    def _repr_html_(self) -> str:
        return snippet("", charts=self.charts)


def drawn_by_day(rows: pa.Table, column: str, unit: str, title: str = "") -> Drawing:
    """A column over the first column of days, a line for each value of the first column of text, if there is one.

    Raises UsageError for a column that is not there, for rows without days, and for more lines than can be told apart.
    """
    if column not in rows.column_names:
        raise UsageError(f"no column is called {column!r}; there are: {', '.join(rows.column_names)}")
    days = next((field.name for field in rows.schema if pa.types.is_date(field.type)), None)
    if days is None:
        raise UsageError(f"there is no column of days beside {column!r}: ask a question by day or by week")
    names = next((field.name for field in rows.schema if pa.types.is_string(field.type)), None)
    lines: dict[str, dict[date, float | None]] = {}
    for row in rows.to_pylist():
        name = column if names is None else row[names] or f"no {names}"
        lines.setdefault(name, {})[row[days]] = None if row[column] is None else float(row[column])
    if len(lines) > _LINES:
        raise UsageError(f"{column!r} has {len(lines)} lines, one for each {names}; {_LINES} can be told apart")
    every = sorted({day for line in lines.values() for day in line})
    series = {name: [line.get(day) for day in every] for name, line in sorted(lines.items())}
    told = title or f"{column} by {days}"
    ends = {name: [value for value in line if value is not None] for name, line in series.items()}
    spans = (f"{name} from {min(some):,g} to {max(some):,g}" for name, some in ends.items() if some)
    words = f"{told}, in {unit}: {'; '.join(spans) or 'no value'}"
    return Drawing((Chart(told, charts.by_day(every, series, unit), words, Table(told, rows)),))


@dataclass(frozen=True)
class EvaluationView:
    """What the scores of a run are worth by the labels that are known. `evaluated` has rows, labels and all figures."""

    run: str
    evaluated: EvaluatedRun

    def __getitem__(self, metric: str) -> float | None:
        """A metric by its key, such as average_precision; None where it is not defined."""
        try:
            return self.evaluated.evaluation.metrics[metric]
        except KeyError:
            known = ", ".join(self.evaluated.evaluation.metrics)
            raise UsageError(f"no metric is called {metric!r}; there are: {known}") from None

    def figures(self) -> pa.Table:
        """The metrics with their 95 % intervals over draws of accounts."""
        found = self.evaluated.evaluation
        rows = []
        for key, metric in METRICS.items():
            low, high = found.intervals.get(key, (None, None))
            label = metric.words(alerts=found.alerts_per_day, cards=found.top_k)
            rows.append({"metric": label, "value": found.metrics[key], "from": low, "to": high})
        kinds = [("metric", pa.string()), *((name, pa.float64()) for name in ("value", "from", "to"))]
        return pa.Table.from_pylist(rows, schema=pa.schema(kinds))

    def plot(self) -> Drawing:
        """Precision over recall, and the calibration; a chart is left out where labels of one kind are missing."""
        drawn = []
        recall, precision = self._curve()
        if len(recall):
            title = "Precision over recall, each threshold a point"
            words = f"{title}: {precision[0]:.0%} at the highest signals, {precision[-1]:.2%} where all are alerts"
            table = Table(title, pa.table({"recall": recall, "precision": precision}))
            drawn.append(Chart(title, charts.precision_over_recall(recall.tolist(), precision.tolist()), words, table))
        bins = self.evaluated.evaluation.calibration_bins
        if bins:
            promised, came = [b.mean_predicted for b in bins], [b.observed_rate for b in bins]
            title = "Calibration: the share of frauds over the mean signal"
            words = f"{title}: " + "; ".join(
                f"{p:.2%} promised, {c:.2%} came" for p, c in zip(promised, came, strict=True)
            )
            table = Table(title, pa.table({"promised": promised, "came": came}))
            drawn.append(Chart(title, charts.reliability(promised, came), words, table))
        return Drawing(tuple(drawn))

    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        known = pa.compute.is_valid(self.evaluated.labels).to_numpy(zero_copy_only=False)
        label = self.evaluated.labels.to_numpy(zero_copy_only=False)[known].astype(np.int8)
        curve = Ranking.of(label, self.evaluated.scores.column("anomaly_signal").to_numpy()[known]).curve()
        if curve.one_sided:
            return np.empty(0), np.empty(0)
        frauds, flagged = curve.frauds[1:], (curve.frauds + curve.goods)[1:]
        recall = frauds / frauds[-1]
        places = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1.0, _POINTS)))
        return recall[places], frauds[places] / flagged[places]

    def _repr_html_(self) -> str:
        found = self.evaluated.evaluation
        title = (
            f"Run {self.run}: {found.rows:,} labelled payments, {found.frauds:,} frauds, {found.accounts:,} accounts"
        )
        few = "" if found.intervals else (
            f"No intervals: {found.fraud_accounts} accounts have a known fraud, and draws of accounts need "
            f"{FEWEST_ACCOUNTS} at least."
        )  # fmt: skip
        return snippet(title, tables=[Table("", self.figures(), few)])
