"""Spans of event times as SQL, and how far back the windows of a span can see."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from counterfoil.domain.features.spec import Aggregate, FeatureSpec, longest_window
from counterfoil.domain.periods import during
from counterfoil.domain.schemas import FRAUD


def read_back(
    specs: Iterable[FeatureSpec], label_delay: timedelta, since: datetime | None, until: datetime | None
) -> str:
    """The payments that windows of `[since, until)` can see, as a condition; a fraud counts by when it was known.

    Windows that count known frauds alone are long: of what lies before the others, only the frauds are read.
    """
    specs = tuple(specs)
    conditions = [during(None, until)]
    if since:
        first = since - longest_window(spec for spec in specs if spec.aggregate is not Aggregate.FRAUDS)
        first_known = since - longest_window(specs)
        late = f"label_time >= TIMESTAMPTZ '{first_known.isoformat()}'"
        known = f"label = {FRAUD} AND ({during(first_known - label_delay, None)} OR {late})"
        conditions.append(f"({during(first - label_delay, None)} OR ({known}))")
    return " AND ".join(conditions)
