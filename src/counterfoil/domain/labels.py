"""Which label a payment has at a moment, of all that was said about it, as SQL.

A payment's own file may say a label; later files, analysts and the scoring service say more (table `labels`). All of
it stays, in the order in which it was said. A label counts from when it is known: max(label time, or else when it
was said; event time + label delay). One that contradicts the label before it counts from when it was said at the
earliest: until then nobody knew better.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from counterfoil.domain.periods import Period, known_at
from counterfoil.domain.schemas import FRAUD

_ORDER = "PARTITION BY transaction_id ORDER BY said_at NULLS FIRST, sequence, said_by, label"
"""What a payment's own file said was said with the payment, before all else (`said_at` is null)."""


def labelled_payments(
    payments: str,
    said: str | None,
    *,
    label_delay: timedelta,
    before: datetime | None = None,
    whole_own: bool = False,
) -> str:
    """The rows of `payments`, with `label` and `label_time` as all that was said has it, as a query.

    `payments` and `said` are relations with the columns of schemas.TRANSACTION_FIELDS and of schemas.LABELS; without
    `said` the payments' own labels are all. Only what is known `before` a moment counts, or all if there is none;
    with `whole_own`, payments of which nothing else was said keep their own labels all the same.
    """
    own_before = None if whole_own else before
    known = _known_before(payments, ("label", "label_time"), known_at(label_delay), own_before)
    if said is None:
        return known
    current = current_labels(payments, said, label_delay, before)
    return _replaced(known, current, ("label", "label_time"))


def current_labels(payments: str, said: str, label_delay: timedelta, before: datetime | None = None) -> str:
    """Label, label time and `known_at` of each payment of which something was said, as known `before` a moment.

    The query is one that Spark reads too, but for the names of types.
    """
    return _current(f"{_said_of(payments, said)} UNION ALL {_own_of(payments, said)}", label_delay, before)


def spans_between(period: Period, withdrawn: Sequence[datetime]) -> Iterator[tuple[Period, datetime | None]]:
    """The period cut where a payment that was known as a fraud became known as good; there are few such moments.

    Until then its fraud counts, from then on no more. A span goes with the moment before which labels were known, or
    None if they were never taken back later.
    """
    begun = [moment for moment in sorted(withdrawn) if period.since is None or moment > period.since]
    for since, until in pairwise([period.since, *begun, None]):
        if until is None or (period.until is not None and until >= period.until):
            yield Period(since, period.until), until
            return
        yield Period(since, until), until


def labelled_evidence(
    evidence: str, said: str | None, *, label_delay: timedelta, before: datetime | None = None
) -> str:
    """The rows of `evidence`, with `label` and `known_at` as all that was said has it, as a query.

    `said` holds what a payment's own file said, too, for each payment of which anything else was said.
    """
    known = _known_before(evidence, ("label", "known_at"), "known_at", before)
    if said is None:
        return known
    current = _current(_said_of(evidence, said), label_delay, before)
    return _replaced(known, current, ("label", "known_at"))


def withdrawals(payments: str, said: str, label_delay: timedelta) -> str:
    """The moments (column `known_at`) from which payments that were known as frauds are so no more, as a query."""
    changes = label_changes(payments, said, label_delay)
    return f"SELECT DISTINCT known_at FROM ({changes}) WHERE label IS DISTINCT FROM {FRAUD} AND earlier = {FRAUD}"


def label_changes(payments: str, said: str, label_delay: timedelta) -> str:
    """What was said of each payment that differs from the label before it, as a query.

    Columns are `transaction_id`, `label`, `earlier` (the one before, or null) and `known_at`. Payments of which only
    their own files said something are not among them.
    """
    return _changes(f"{_said_of(payments, said)} UNION ALL {_own_of(payments, said)}", label_delay)


def _said_of(payments: str, said: str) -> str:
    return (
        "SELECT said.transaction_id, payment.event_time, said.label, said.label_time, said.said_at, said.sequence, "
        f"said.said_by FROM {said} AS said JOIN {payments} AS payment ON said.transaction_id = payment.transaction_id"
    )


def _own_of(payments: str, said: str) -> str:
    """What the files of these payments said themselves, of those of which something else was said."""
    return (
        "SELECT transaction_id, event_time, label, label_time, NULL AS said_at, 0 AS sequence, '' AS said_by "
        f"FROM {payments} WHERE label IS NOT NULL AND transaction_id IN (SELECT transaction_id FROM {said})"
    )


def _changes(statements: str, label_delay: timedelta) -> str:
    """What was said that differs from the label before it, with when it counts from."""
    return f"""
  SELECT *, {known_at(label_delay)} AS known_at
  FROM (
    SELECT transaction_id, event_time, label, said_at, sequence, said_by, earlier,
      CASE WHEN said_at IS NULL THEN label_time
        WHEN earlier IS NULL THEN coalesce(label_time, said_at)
        ELSE greatest(coalesce(label_time, said_at), said_at) END AS label_time
    FROM (SELECT *, lag(label) OVER ({_ORDER}) AS earlier FROM ({statements}))
    WHERE earlier IS DISTINCT FROM label
  )"""


def _current(statements: str, label_delay: timedelta, before: datetime | None) -> str:
    """The last change of each payment that counts; a payment of which nothing counts yet has no label."""
    counts = "true" if before is None else f"known_at < TIMESTAMPTZ '{before.isoformat()}'"
    return f"""
  SELECT transaction_id,
    CASE WHEN counts THEN label END AS label,
    CASE WHEN counts THEN label_time END AS label_time,
    CASE WHEN counts THEN known_at END AS known_at
  FROM (
    SELECT *, row_number() OVER (PARTITION BY transaction_id ORDER BY counts DESC, place DESC) AS from_last
    FROM (
      SELECT *, {counts} AS counts, row_number() OVER ({_ORDER}) AS place
      FROM ({_changes(statements, label_delay)})
    )
  )
  WHERE from_last = 1"""


def _known_before(payments: str, names: tuple[str, str], known: str, before: datetime | None) -> str:
    """The rows with null for labels that are not known by then."""
    if before is None:
        return f"SELECT * FROM {payments}"
    by_then = f"{known} < TIMESTAMPTZ '{before.isoformat()}'"
    values = [f"CASE WHEN {by_then} THEN {name} END AS {name}" for name in names]
    return f"SELECT * EXCLUDE ({', '.join(names)}), {', '.join(values)} FROM {payments}"


def _replaced(payments: str, current: str, names: tuple[str, str]) -> str:
    values = [
        f"CASE WHEN told.transaction_id IS NULL THEN payment.{name} ELSE told.{name} END AS {name}" for name in names
    ]
    return f"""
SELECT payment.* EXCLUDE ({", ".join(names)}), {", ".join(values)}
FROM ({payments}) AS payment LEFT JOIN ({current}) AS told ON told.transaction_id = payment.transaction_id"""
