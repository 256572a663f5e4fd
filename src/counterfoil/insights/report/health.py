"""The model's health: how it ranks, whether its probabilities hold, and whether payments have drifted."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from counterfoil.adapters.report import charts
from counterfoil.adapters.report.page import Chart, Section, Table
from counterfoil.domain.evaluation.drift import MUCH, SOME
from counterfoil.domain.evaluation.evaluation import Evaluation, evaluate
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.insights.queries import Query
from counterfoil.insights.report.source import Source
from counterfoil.steps.insights.drift import ColumnDrift, drift_by_week

_LABELLED = Query("labelled_signals", "How were the payments scored whose label is known?", """
SELECT anomaly_signal, label, account_id, event_time
FROM scored_payments
WHERE label IS NOT NULL
ORDER BY event_time, transaction_id
""")  # fmt: skip
BY_WEEK = Query("calibration_by_week", "How many frauds were promised week by week, and how many came?", """
SELECT
  CAST(date_trunc('week', event_date) AS date) AS week,
  count(label) AS labelled,
  sum(CASE WHEN label IS NOT NULL THEN anomaly_signal END) AS expected,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  sum(CASE WHEN label IS NOT NULL THEN anomaly_signal END) / nullif(count(label), 0) AS share_promised,
  CAST(count(CASE WHEN label = 1 THEN 1 END) AS double) / nullif(count(label), 0) AS share_known
FROM scored_payments
GROUP BY CAST(date_trunc('week', event_date) AS date)
ORDER BY week
""")  # fmt: skip
_FIGURES = ("auc", "average_precision", "recall_at_1pct_fpr", "alert_recall", "alert_precision", "brier_skill",
            "calibration_error")  # fmt: skip
DRAWS, MOST_DRAWN_ROWS = 200, 20_000_000
"""Draws for intervals; at most so many rows are ranked again in all of them together."""
MOST_COLUMNS = 15


def signal_section(source: Source) -> Section:
    """How the signals are spread, and which of them were frauds."""
    bands = source.ask("signal_distribution")
    if bands is None or not bands.num_rows:
        return Section("signals", "Signals", "No payment of this period was scored.")
    rows = bands.to_pylist()
    names = [f"{100 * 10 ** (row['band'] / 2):.2g} %" for row in rows]
    counts = {"payments": [row["payments"] for row in rows], "known frauds": [row["frauds"] for row in rows]}
    words = "; ".join(f"from {name}: {row['payments']:,} payments, {row['frauds']:,} known frauds"
                      for name, row in zip(names, rows, strict=True))  # fmt: skip
    chart = Chart(
        "Payments by signal: each band begins at the signal under it (logarithmic)",
        charts.histogram(names, counts, "payments"), words, Table("By band of the signal", bands),
    )  # fmt: skip
    return Section("signals", "Signals", charts=[chart])


def health_section(source: Source) -> Section:
    """Ranking and calibration by the known labels, drift against the training, and the releases there are."""
    release = source.release
    if release is None:
        return Section("health", "The model's health", "There is no release to look at.")
    found, tables, charts_drawn = _evaluated(source), [], []
    if found is not None:
        tables.append(Table("How well the release ranks, by the labels known so far", _figures(found)))
        if found.calibration_bins:
            charts_drawn += [_calibration(found), *_by_week(source)]
    drift = drift_by_week(source.place.tables, release, source.period)
    if drift:
        tables.append(_drift_table(drift))
    novelty = source.ask("novelty_drift")
    if novelty is not None and novelty.num_rows:
        tables.append(Table("Drift of novelty against the good payments of training", novelty))
    releases = _releases(source)
    if releases.num_rows:
        tables.append(Table("Releases, the newest first", releases))
    return Section("health", "The model's health", _at_stake(found, drift), charts=charts_drawn, tables=tables)


def _evaluated(source: Source) -> Evaluation | None:
    """What the signals of the period are worth by the labels known so far; None without a fraud or a good payment."""
    rows = source.answer(_LABELLED, source.parameters)
    if rows is None or not 0 < (labels := rows.column("label").to_numpy().astype(np.int8)).sum() < len(labels):
        source.note("How well the release ranks cannot be said: no known fraud, or nothing but frauds, in the period.")
        return None
    draws = min(DRAWS, MOST_DRAWN_ROWS // len(labels))
    if draws < DRAWS // 4:
        source.note(f"{len(labels):,} labelled payments are too many to draw from: rankings have no interval.")
        draws = 0
    scored = Scored.of(rows)
    if not draws:  # what accounts are for
        scored = replace(scored, account=None)
    return evaluate(scored, alerts_per_day=source.parameters.alerts_per_day, draws=draws)


def _figures(found: Evaluation) -> pa.Table:
    from counterfoil.domain.evaluation.metrics import METRICS

    rows = []
    for key in _FIGURES:
        low, high = found.intervals.get(key, (None, None))
        label = METRICS[key].words(alerts=found.alerts_per_day, cards=found.top_k)
        rows.append({"figure": label, "value": found.metrics[key], "from": low, "to": high})
    kinds = [("figure", pa.string()), *((name, pa.float64()) for name in ("value", "from", "to"))]
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def _calibration(found: Evaluation) -> Chart:
    bins = found.calibration_bins
    promised, came = [b.mean_predicted for b in bins], [b.observed_rate for b in bins]
    table = pa.table({"precision_promised": promised, "precision_known": came, "payments": [b.count for b in bins]})
    words = "; ".join(f"promised {p:.2%}, came {c:.2%}" for p, c in zip(promised, came, strict=True))
    note = "Bins of about equally many payments. Labels that are not ripe yet make 'came' too low."
    return Chart("Calibration: the share of frauds over the signal", charts.reliability(promised, came), words,
                 Table("Calibration by bin", table, note))  # fmt: skip


def _by_week(source: Source) -> list[Chart]:
    """The level of the signals week by week: whether it still holds, or moved away."""
    rows = source.answer(BY_WEEK, source.parameters)
    if rows is None or not rows.num_rows:
        return []
    weeks = rows.column("week").to_pylist()
    series = {name: rows.column(f"share_{name}").to_pylist() for name in ("promised", "known")}
    words = "; ".join(
        f"week of {week}: promised {promised:.2%}, came {known:.2%}"
        for week, promised, known in zip(weeks, *series.values(), strict=True)
        if promised is not None and known is not None
    )
    title = "Calibration by week: frauds promised by the signals, and known by now"
    note = "Of the payments whose label is known. Labels that are not ripe yet make 'known' too low."
    drawing = charts.by_day(weeks, series, "share of payments")
    return [Chart(title, drawing, f"{title}: {words}", Table("Calibration by week", rows, note))]


def _drift_table(drift: list[ColumnDrift]) -> Table:
    weeks = sorted(drift[0].index)
    columns = {
        "column": [entry.column for entry in drift[:MOST_COLUMNS]],
        **{str(week): [entry.index[week] for entry in drift[:MOST_COLUMNS]] for week in weeks[-8:]},
        "by_chance": [entry.chance[weeks[-1]] for entry in drift[:MOST_COLUMNS]],
        "moved": [_moved(entry) for entry in drift[:MOST_COLUMNS]],
    }
    note = (
        f"Population stability index of the {min(len(drift), MOST_COLUMNS)} columns of evidence, of {len(drift)}, that "
        f"moved most, by week, against the good payments of the release's training. From {SOME} on a column has moved "
        f"somewhat, from {MUCH} on much; 'by chance' is what a week of payments that did not move exceeds once in a "
        "hundred. Counts over long windows move by themselves while a young lake fills."
    )
    return Table("Drift of the evidence", pa.table(columns), note)


def _moved(entry: ColumnDrift) -> str:
    if entry.latest < SOME or entry.latest <= entry.chance[max(entry.chance)]:
        return "no"
    return "much" if entry.latest >= MUCH else "somewhat"


def _at_stake(found: Evaluation | None, drift: list[ColumnDrift]) -> str:
    """Whether drift touches the order of the payments, or only the level of their signals."""
    moved = [entry.column for entry in drift if _moved(entry) != "no"]
    told = f"{len(moved)} of {len(drift)} columns of evidence moved." if drift else "No evidence was scored."
    if found is None or found.metrics["auc"] is None:
        return f"{told} Whether the order of payments suffers cannot be said without labels."
    bins = found.calibration_bins
    rows = sum(b.count for b in bins)
    promised = sum(b.mean_predicted * b.count for b in bins) / rows if rows else None
    level = (
        "The signals are no probabilities: their level means nothing."
        if promised is None
        else f"The signals promised {promised:.2%} frauds among the labelled payments, {found.frauds / rows:.2%} came."
    )
    return f"{told} The order of payments: AUC {found.metrics['auc']:.3f}. {level}"


def _releases(source: Source) -> pa.Table:
    kinds = [("release", pa.string()), ("is", pa.string()), ("mapping", pa.string()), ("gate", pa.string()),
             ("average_precision", pa.float64())]  # fmt: skip
    rows = [
        {
            "release": release.release_id, "is": ", ".join(release.aliases), "mapping": release.tags.get("mapping"),
            "gate": release.tags.get("gate"), "average_precision": release.metrics.get("average_precision"),
        }
        for release in source.place.registry.releases()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=pa.schema(kinds))
