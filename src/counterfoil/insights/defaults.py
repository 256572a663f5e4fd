"""What a question takes from the workspace where nobody said otherwise: the release, its delay, threshold and days."""

from dataclasses import replace
from datetime import date, timedelta

from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.errors import NotFoundError
from counterfoil.insights.queries import Query, QueryParameters, newest_release
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.releases.registration import load_release
from counterfoil.workspace.wiring import Workspace


def with_defaults(place: Workspace, query: Query, asked: QueryParameters) -> QueryParameters:
    """Fill in the release of the newest scores and, for a query that counts alerts, its threshold of review.

    The registry is asked only where a threshold is needed. A release that has none, because it knew no frauds, gets
    one that no signal reaches. Raises NotFoundError without scores or without that release.
    """
    if "release" not in query.parameters:
        return asked
    release_id = asked.release or newest_release(place.tables)
    if release_id is None:
        raise NotFoundError("nothing was scored in this workspace: run 'counterfoil score' first")
    if "review" not in query.parameters or asked.review is not None:
        return replace(asked, release=release_id)
    release = load_release(place.registry, release_id)
    never = 2.0
    review = never if release.thresholds.review is None else release.thresholds.review
    return replace(asked, release=release_id, review=review, label_delay=timedelta(days=release.label_delay_days))


def scored_days(place: Workspace, run: str | None = None) -> tuple[date, date]:
    """The first day that a run scored and the day after its last (UTC); the newest run with scores if none is named.

    Raises NotFoundError where nothing was scored.
    """
    for found in reversed(place.tables.runs(SCORE_TABLE)) if run is None else [run]:
        scores = parquet_source(place.tables.files(SCORE_TABLE, found))
        with engine() as database:
            first, last = one_row(database, f"SELECT min(event_time)::DATE, max(event_time)::DATE FROM {scores}")
        if first is not None:
            return first, last + timedelta(days=1)
    raise NotFoundError("nothing was scored in this workspace: run 'counterfoil score' first")
