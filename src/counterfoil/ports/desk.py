"""What the analyst's desk asks of the world: lists that a policy reads, and cases of alerts."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from counterfoil.domain.policy.lists import Entity, ListEffect, NewEntry
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys


@dataclass(frozen=True)
class ListSummary:
    """A list as it stands now: how many entries count, how many are over, and when the next of them ends."""

    name: str
    effect: str
    entity: str
    active: int
    over: int
    next_end: datetime | None


class ListStore(Protocol):
    """Entries of lists. One is never changed: it ends, and another begins."""

    def add(self, name: str, effect: ListEffect, entries: Sequence[NewEntry], *, key_id: str, operator: str) -> int:
        """Add entries and return how many are new; one that counts already with the same effect and end stays.

        Another end of the same value replaces it. Raises UsageError if the list has another effect.
        """
        ...

    def end(self, name: str, entity: Entity, value: str) -> bool:
        """Withdraw an entry; return whether there was one. `value` is as payments have it."""
        ...

    def entries(self) -> pa.Table:
        """Return all entries, also those that are over, following `domain.policy.lists.ENTRIES`."""
        ...

    def version(self) -> str:
        """Return a text that is another one after each change."""
        ...

    def summaries(self) -> list[ListSummary]:
        """Return the lists, by name."""
        ...

    def rekey(self, keys: PseudonymKeys) -> int:
        """Hash again what stands under earlier ones of these keys; return how many entries. Safe to do again."""
        ...


@dataclass(frozen=True)
class CaseAlert:
    """An alert in a case. `amount` is money as text."""

    transaction_id: str
    account_id: str | None
    event_time: datetime
    decision: str
    signal: float
    amount: str | None
    currency: str | None
    release_id: str
    policy_version: str | None


@dataclass(frozen=True)
class Case:
    """The alerts of one account, or of a ring of linked accounts, that are looked at together.

    The case that leads a ring has the alerts of all its `accounts`; each of the others names it as its `ring`, and has
    the alerts of its own account.
    `expected_loss` is the sum of signal times amount, in the payments' currency: where the signal is calibrated, what
    is lost on average if nothing is done.
    """

    case_id: str
    account_id: str | None
    state: str
    assignee: str | None
    due: datetime
    outcome: str | None
    opened_at: datetime
    closed_at: datetime | None
    alerts: int
    expected_loss: float
    accounts: int = 1
    ring: str | None = None


@dataclass(frozen=True)
class CaseNote:
    """What somebody said of a case, or did with it (`what`: note, assigned, closed as ...)."""

    at: datetime
    said_by: str
    what: str
    words: str


@dataclass(frozen=True)
class RelatedPayment:
    """A scored payment of another case or of none that shares something with a case's alerts, about that time.

    `shared` is what it shares: merchant, source_ip, device; `case_id` the open case that it stands in, if any.
    """

    transaction_id: str
    account_id: str | None
    event_time: datetime
    decision: str
    signal: float
    amount: str | None
    currency: str | None
    shared: tuple[str, ...]
    case_id: str | None = None


class CaseStore(Protocol):
    """Cases, of which an account has one open at most."""

    def take(self, alerts: Sequence[CaseAlert], *, key_id: str, due_in: timedelta) -> tuple[int, int]:
        """Put alerts into the open case of their account, opening those that are missing.

        Return how many cases were opened and how many alerts are new; an alert that is in a case stays there.
        """
        ...

    def queue(self, limit: int, *, closed: bool = False) -> list[Case]:
        """Return open cases (with `closed`, all), greatest expected loss first; of a ring the one that leads it."""
        ...

    def find(self, case_id: str) -> Case:
        """Return a case. Raises NotFoundError."""
        ...

    def alerts(self, case_id: str) -> list[CaseAlert]:
        """Return a case's alerts, oldest first; of one that leads a ring those of all its accounts."""
        ...

    def notes(self, case_id: str) -> list[CaseNote]:
        """Return what was said and done, oldest first; of one that leads a ring in all its cases."""
        ...

    def related(self, case_id: str, within: timedelta, limit: int) -> list[RelatedPayment]:
        """Return payments that the service scored and that share a merchant, source IP or device with an alert.

        Only those that were made at most `within` before or after that alert; those that share most first, then by
        signal.
        """
        ...

    def note(self, case_id: str, said_by: str, words: str) -> None:
        """Keep a note. Raises NotFoundError."""
        ...

    def assign(self, case_id: str, assignee: str, operator: str) -> None:
        """Let somebody work on an open case. Raises NotFoundError, ConflictError if it is closed or in a ring."""
        ...

    def link(self, case_id: str, other: str, operator: str, reason: str) -> Case:
        """Let an open case, and those that it leads, be worked on with `other`; return the case that leads the ring.

        Raises NotFoundError, ConflictError if one of them is closed or they are linked already.
        """
        ...

    def unlink(self, case_id: str, operator: str, reason: str) -> None:
        """Take an open case out of its ring. Raises NotFoundError, ConflictError if it is closed or in none."""
        ...

    def closing(self, case_id: str, outcome: str, operator: str, reason: str) -> AbstractContextManager[Case]:
        """Give an open case that nobody else can close meanwhile; it is closed where the block ends well.

        With one that leads a ring all its cases are closed. Whoever wants to close it too waits for that. Raises
        NotFoundError, ConflictError if it is closed or in a ring: the case that leads the ring is closed instead.
        """
        ...

    def rekey(self, keys: PseudonymKeys) -> int:
        """Hash again the accounts under earlier ones of these keys; return how many cases. Safe to do again."""
        ...
