"""Drift of scored payments, week by week, against the profile that their release was trained on."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from counterfoil.domain.evaluation.drift import chance_index, profiles, scaled_values, stability_index
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.ports.lake import TableStore
from counterfoil.steps.lake.engine import engine, parquet_source

ROWS_A_WEEK = 20_000
"""Payments that are looked at in a week, chosen by a hash of their ids: more would not move an index by .001."""


@dataclass(frozen=True)
class ColumnDrift:
    """A column's population stability index by week (Mondays, UTC), and what chance alone would not exceed."""

    column: str
    index: dict[date, float]
    chance: dict[date, float]

    @property
    def latest(self) -> float:
        """The index of the last week."""
        return self.index[max(self.index)]


def drift_by_week(tables: TableStore, release: Release, period: Period) -> list[ColumnDrift]:
    """Return the drift of each numeric column of the evidence that the release scored in the period, largest first.

    Empty where nothing was scored. Compared with the good payments of its training, by the release's own quantiles.
    """
    known = profiles(release.encoder)
    weeks: dict[date, list[np.ndarray]] = {}
    for week, table in _sampled(tables, release, period):
        values = scaled_values(release.encoder, table)
        weeks[week] = [profile.counts(values[:, place]) for place, profile in enumerate(known)]
    if not weeks:
        return []
    found = [
        ColumnDrift(
            profile.name,
            {week: stability_index(counts[place], profile.expected) for week, counts in weeks.items()},
            {week: chance_index(len(profile.expected), int(counts[place].sum())) for week, counts in weeks.items()},
        )
        for place, profile in enumerate(known)
    ]
    return sorted(found, key=lambda drift: -drift.latest)


def _sampled(tables: TableStore, release: Release, period: Period):  # type: ignore[no-untyped-def]
    """The evidence of each week, at most so many rows."""
    runs = _runs_of(tables, release.release_id)
    files = [file for run in runs for file in tables.files(SCORED_EVIDENCE, run)]
    if not files:
        return
    columns = ", ".join(f'"{name}"' for name in release.encoder.schema.numeric)
    with engine() as database:
        source = f"{parquet_source(files)} WHERE {period.condition()}"
        week_of = "CAST(date_trunc('week', event_time) AS DATE)"
        weeks = database.execute(f"SELECT {week_of}, count(*) FROM {source} GROUP BY ALL ORDER BY ALL").fetchall()
        for week, payments in weeks:
            yield (
                week,
                database.sql(
                    f"SELECT {columns} FROM {source} AND {week_of} = DATE '{week}' "
                    f"AND md5(transaction_id) < '{_lowest(payments)}' ORDER BY md5(transaction_id) LIMIT {ROWS_A_WEEK}"
                ).to_arrow_table(),
            )


def _lowest(payments: int) -> str:
    """A digest below which some more than ROWS_A_WEEK of so many payments lie: nothing else needs to be sorted."""
    enough = ROWS_A_WEEK + 8 * round(ROWS_A_WEEK**0.5)
    return "g" if payments <= enough else f"{16**12 * enough // payments:012x}"


def _runs_of(tables: TableStore, release_id: str) -> list[str]:
    """The runs of scores that a release made; runs of other releases have other columns."""
    found = []
    for run in tables.runs(SCORE_TABLE):
        with engine() as database:
            first = database.execute(f"SELECT release_id FROM {parquet_source(tables.files(SCORE_TABLE, run))} LIMIT 1")
            found += [run] if first.fetchall() == [(release_id,)] else []
    return found
