"""Where the report takes its figures from: the named queries, for one period, release and moment."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

import pyarrow as pa

from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.errors import CounterfoilError, NotFoundError
from counterfoil.insights.queries import Query, QueryParameters, query
from counterfoil.insights.report.kept import KeptScores
from counterfoil.steps.releases.registration import load_release
from counterfoil.workspace.wiring import Workspace

NEVER = 2.0
"""A threshold that no signal reaches."""


@dataclass
class Source:
    """A workspace as one report sees it. `notices` collects what could not be shown and why, each once."""

    place: Workspace
    asked: QueryParameters
    kept: KeptScores
    notices: list[str] = field(default_factory=list)

    @cached_property
    def release(self) -> Release | None:
        """The release whose scores are shown; None, with a notice, where nothing was scored or it is gone."""
        if self.asked.release is None:
            self.note("Nothing was scored yet: figures of alerts, cases and the model's health are missing.")
            return None
        try:
            return load_release(self.place.registry, self.asked.release)
        except CounterfoilError as error:
            self.note(f"The release of the scores could not be read ({error}): thresholds and drift are missing.")
            return None

    @cached_property
    def parameters(self) -> QueryParameters:
        """What the queries are asked with: the release's own threshold and label delay where none were named."""
        asked, release = self.asked, self.release
        if release is None:
            return replace(asked, review=NEVER if asked.review is None else asked.review)
        review = asked.review if asked.review is not None else release.thresholds.review
        delay = timedelta(days=release.label_delay_days)
        return replace(asked, review=NEVER if review is None else review, label_delay=delay)

    @property
    def before(self) -> QueryParameters:
        """The same for the period of equal length that ends where this one begins."""
        length = self.asked.until - self.asked.since
        return replace(self.parameters, since=self.asked.since - length, until=self.asked.since)

    @cached_property
    def unripe(self) -> str | None:
        """Which payments of the period count without a label, being younger than the label delay; None: none."""
        delay = self.parameters.label_delay
        ripe_until = self.asked.known_until - delay
        if not delay or ripe_until >= _midnight(self.asked.until):
            return None
        first = max(ripe_until, _midnight(self.asked.since))
        days = delay / timedelta(days=1)
        return (
            f"Payments from {first:%Y-%m-%d %H:%M} UTC on are younger than the label delay of {days:g} days: they "
            "count without a label, in no rate, loss or precision."
        )

    @property
    def period(self) -> Period:
        """The period as a span of event times."""
        return Period(*(_midnight(day) for day in (self.asked.since, self.asked.until)))

    def ask(self, name: str, *, top: int | None = None) -> pa.Table | None:
        """The answer to a named query; None, with a notice, where a table is missing."""
        parameters = self.parameters if top is None else replace(self.parameters, top=top)
        return self.answer(query(name), parameters)

    def answer(self, wanted: Query, parameters: QueryParameters) -> pa.Table | None:
        """The answer to any question; None, with a notice, where a table is missing."""
        if "release" in wanted.parameters and parameters.release is None:
            return None
        try:
            return self.kept.answer(wanted, parameters)
        except NotFoundError as error:
            self.note(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            return None

    def note(self, notice: str) -> None:
        """Keep a notice for the reader."""
        if notice not in self.notices:
            self.notices.append(notice)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
