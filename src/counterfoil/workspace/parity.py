"""What the service scored beside what the batch makes of it, in a workspace."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.periods import Period
from counterfoil.errors import UsageError
from counterfoil.steps.releases.registration import load_release
from counterfoil.workspace.wiring import Workspace

if TYPE_CHECKING:  # torch and numba come with it
    from counterfoil.steps.insights.parity import Parity


def parity(place: Workspace, run: str | None, last_hours: float | None) -> "Parity":
    """Compare kept scores with a run of the batch, or with what the batch's fold makes of those of the last hours.

    Raises UsageError unless one of the two is given, NotFoundError where there is nothing to compare.
    """
    from counterfoil.steps.insights.parity import Recomputing, parity_with_run

    if (run is None) == (last_hours is None):
        raise UsageError("name a run of scores (--run), or say how far to look back (--last HOURS): one of the two")
    if run is not None:
        return parity_with_run(
            place.scores, place.tables, cache(lambda name: load_release(place.registry, name)), run
        )  # fmt: skip
    mapping = place.settings.service_mapping
    recomputing = Recomputing(
        place.scores, place.decisions, place.tables, cache(place.detector), lambda name: load_mapping(mapping or name)
    )
    return recomputing.parity(Period(datetime.now(UTC) - timedelta(hours=float(last_hours or 0)), None))
