"""Spans of event times as SQL, and how far back the windows of a span can see."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from counterfoil.domain.features.spec import Aggregate, FeatureSpec, longest_window
from counterfoil.domain.periods import during
from counterfoil.domain.schemas import FRAUD


def read_back(
    specs: Iterable[FeatureSpec], label_delay: timedelta, since: datetime | None, until: datetime | None
) -> str:
    """The payments that windows of `[since, until)` can see, as a condition; a label counts by when it was known.

    Windows that count known frauds alone are long: of what lies before the others, only the frauds are read, and late
    labels where good ones count.
    """
    specs = tuple(specs)
    conditions = [during(None, until)]
    if since:
        first = since - longest_window(spec for spec in specs if spec.aggregate is not Aggregate.FRAUDS)
        first_known = since - longest_window(specs)
        known = f"label = {FRAUD} AND ({during(first_known - label_delay, None)} OR {_said_from(first_known)})"
        seen = [during(first - label_delay, None), f"({known})"]
        if any(spec.aggregate.reads_good_labels for spec in specs):
            seen.append(f"(label IS NOT NULL AND {_said_from(first)})")
        conditions.append(f"({' OR '.join(seen)})")
    return " AND ".join(conditions)


def _said_from(moment: datetime) -> str:
    return f"label_time >= TIMESTAMPTZ '{moment.isoformat()}'"
