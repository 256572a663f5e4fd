"""The report of a lake alone: without a registry and without references."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from counterfoil.errors import NotFoundError
from counterfoil.insights.queries import QueryParameters
from counterfoil.insights.report import report
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

ASKED = QueryParameters(date(2026, 2, 1), date(2026, 2, 20), review=0.3)
MADE = datetime(2026, 3, 1, tzinfo=UTC)


class Nothing:
    """A store that has nothing."""

    def releases(self) -> list[object]:
        return []

    def fetch(self, release_id: str) -> Path:
        raise NotFoundError(f"no release {release_id}")

    def read_base(self, release_id: str) -> pa.Table:
        raise NotFoundError(f"no references of {release_id}")


def report_of(root: Path, asked: QueryParameters = ASKED) -> str:
    """The report of the workspace at `root`, as a page."""
    place = Workspace(Settings(workspace=root))
    place.__dict__["registry"] = Nothing()  # no MLflow and no database for a page
    place.__dict__["references_for_scoring"] = Nothing()
    return report(place, asked, MADE)
