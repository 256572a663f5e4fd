"""Spans of event times as SQL, and how far back the windows of a span can see."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from counterfoil.domain.features.spec import Aggregate, FeatureSpec, longest_window
from counterfoil.domain.periods import Period, during
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
        first, first_known = since - _longest_of_all_payments(specs), since - longest_window(specs)
        known = f"label = {FRAUD} AND ({during(first_known - label_delay, None)} OR {_said_from(first_known)})"
        seen = [during(first - label_delay, None), f"({known})"]
        if _good_labels_count(specs):
            seen.append(f"(label IS NOT NULL AND {_said_from(first)})")
        conditions.append(f"({' OR '.join(seen)})")
    return " AND ".join(conditions)


def seen_whole(specs: Iterable[FeatureSpec], label_delay: timedelta, wanted: Sequence[Period]) -> list[Period]:
    """The spans of which windows of the `wanted` periods can see all payments, whatever is known of them."""
    back = _longest_of_all_payments(specs) + label_delay
    return [Period(None if one.since is None else one.since - back, one.until) for one in wanted]


def seen_beside(specs: Iterable[FeatureSpec], label_delay: timedelta, wanted: Period, said: str | None) -> str:
    """The single payments outside of `seen_whole` on which evidence of the periods within `wanted` depends.

    A condition on payments with the labels of their own files; `said` is a relation with the columns of
    schemas.LABELS, or None if it has no row. It holds for more payments than `read_back` reads, whatever the labels
    come to: known frauds that long windows count, late labels where good ones count, and every payment of which a fraud
    and something else were said, because its withdrawal cuts the period (`labels.spans_between`), whenever it was made.
    """
    specs = tuple(specs)
    seen = []
    if wanted.since:
        first, first_known = wanted.since - _longest_of_all_payments(specs), wanted.since - longest_window(specs)
        long_ago = during(first_known - label_delay, wanted.until)
        seen.append(f"(label = {FRAUD} AND ({long_ago} OR {_said_from(first_known)}))")
        if _good_labels_count(specs):
            seen.append(f"(label IS NOT NULL AND {_said_from(first)})")
    if said is not None:
        frauds = f"transaction_id IN (SELECT transaction_id FROM {said} WHERE label = {FRAUD})"
        judged = f"transaction_id IN (SELECT transaction_id FROM {said})"
        seen.append(judged if _good_labels_count(specs) else f"({judged} AND (label = {FRAUD} OR {frauds}))")
    return " OR ".join(seen) or "false"


def _longest_of_all_payments(specs: Iterable[FeatureSpec]) -> timedelta:
    """How far back windows see that count more than known frauds."""
    return longest_window(spec for spec in specs if spec.aggregate is not Aggregate.FRAUDS)


def _good_labels_count(specs: Iterable[FeatureSpec]) -> bool:
    return any(spec.aggregate.reads_good_labels for spec in specs)


def _said_from(moment: datetime) -> str:
    return f"label_time >= TIMESTAMPTZ '{moment.isoformat()}'"
