"""The insight report: what happened in a period, how good the alerts were, and whether the model still holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from counterfoil.adapters.folder.whole_files import write_whole
from counterfoil.adapters.report.page import Page, Section, render
from counterfoil.domain.tables import TABLES
from counterfoil.insights.queries import QueryParameters, newest_release
from counterfoil.insights.report import cases, figures, health, trends
from counterfoil.insights.report.kept import KeptScores
from counterfoil.insights.report.source import Source
from counterfoil.workspace.wiring import Workspace

_SECTIONS: tuple[Callable[[Source], Section], ...] = (
    figures.key_section, trends.trend_section, trends.alert_section, health.signal_section, cases.case_section,
    trends.ranking_section, health.health_section, trends.quality_section,
)  # fmt: skip


def report(place: Workspace, asked: QueryParameters, made_at: datetime) -> str:
    """The report of a period as one HTML page; what cannot be shown is said on top of it.

    Without `asked.release`, the release of the newest scores is shown. Labels count that were known at
    `asked.known_until`, or at `made_at` if that is earlier.
    """
    release = asked.release or newest_release(place.tables)
    asked = replace(asked, release=release, known_until=min(asked.known_until, made_at))
    with KeptScores(place.tables) as kept:
        source = Source(place, asked, kept)
        sections = [_with_ripeness(build(source), source) for build in _SECTIONS]
    last = source.asked.until - timedelta(days=1)
    facts = [
        ("Period", f"{source.asked.since} to {last} (UTC)"),
        ("Release", release or "none"),
        ("Labels known until", f"{source.asked.known_until:%Y-%m-%d %H:%M} UTC"),
        ("Made", f"{made_at:%Y-%m-%d %H:%M} UTC"),
    ]
    glossary = [(table.name, f"{table.about}.") for table in TABLES if not table.restricted]
    return render(Page("Counterfoil insight report", facts, source.notices, sections, glossary))


def _with_ripeness(section: Section, source: Source) -> Section:
    """The section with a word on the days whose labels do not count yet, if it shows anything by labels."""
    shows = section.anchor != "cases" and bool(section.figures or section.charts or section.tables)
    if source.unripe is None or not shows:
        return section
    return replace(section, intro=f"{section.intro} {source.unripe}".strip())


def write_report(place: Workspace, asked: QueryParameters, made_at: datetime, out: Path | None = None) -> Path:
    """Write the report, in place when it is whole: to `out`, or in the workspace's folder `reports`."""
    last = asked.until - timedelta(days=1)
    path = out or place.root / "reports" / f"{asked.since}-to-{last}.html"
    write_whole(path, report(place, asked, made_at))
    return path
