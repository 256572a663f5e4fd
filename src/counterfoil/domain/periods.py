"""Spans of event times, and when a label may be used: as values, and as SQL conditions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Times as numbers are microseconds since then."""

LABEL_DELAY_DAYS = 7
LABEL_DELAY = timedelta(days=LABEL_DELAY_DAYS)
"""How long after a payment its label can be trusted, unless the user says otherwise."""


@dataclass(frozen=True)
class Period:
    """A half-open span of event times, `[since, until)`; None is without end."""

    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> str:
        """The span as an SQL condition on `event_time`."""
        return during(self.since, self.until)


def during(since: datetime | None, until: datetime | None) -> str:
    """The half-open span `[since, until)` as a condition on `event_time`; None is without end."""
    parts = [f"event_time >= TIMESTAMPTZ '{since.isoformat()}'"] if since else []
    parts += [f"event_time < TIMESTAMPTZ '{until.isoformat()}'"] if until else []
    return " AND ".join(parts) or "true"


def known_at(label_delay: timedelta) -> str:
    """max(label time, event time + label delay), over the columns `label_time` and `event_time`."""
    delay = f"INTERVAL '{round(label_delay.total_seconds() * 1e6)} microseconds'"
    return f"greatest(coalesce(label_time, event_time), event_time + {delay})"
