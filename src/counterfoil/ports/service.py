"""What scoring in real time asks of the world: profiles, kept scores, alerts, streams, tokens."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from counterfoil.domain.policy.alert_times import ANYTHING
from counterfoil.domain.scoring.overlay import Change

PROFILES_KEPT_FOR = timedelta(days=400)
"""An entry of a profile is kept so long after its time: the longest window is a year, and labels come late."""


@dataclass(frozen=True)
class Entry:
    """One fact in the log of an entity: a payment, or what became known of its label.

    `entity` is such as 'account:<pseudonym>'; `entry_id` names the fact, so that a retry adds nothing; `at` is the
    time from which the entry ages; `content` is plain JSON.
    """

    entity: str
    entry_id: str
    at: datetime
    content: Mapping[str, Any]


@dataclass(frozen=True)
class LogPart:
    """Entries of one entity, by `at` and then id, and the position from which to read on.

    Reading on from `position` may give some entries again, since writers end in another order than they began.
    """

    entries: tuple[Entry, ...]
    position: int


class ProfileStore(Protocol):
    """Append-only logs of what entities did."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries that their entities do not have yet; the first content of an id stays."""
        ...

    def read(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        """Return what is new to the reader of each entity; position 0 is the beginning."""
        ...

    def expire(self, before: datetime) -> int:
        """Remove entries whose `at` is earlier, and return how many. DynamoDB removes them by itself: 0."""
        ...

    def forget(self, entities: Collection[str], transactions: Collection[str]) -> int:
        """Remove the logs of entities, and the entries of transactions from all logs; return how many entries."""
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        ...


@dataclass(frozen=True)
class KeptScore:
    """A score as it was answered: `answer` is plain JSON, `payment` the canonical payment, as plain JSON too.

    `content_hash` shows whether a payment that comes again is the same.
    """

    transaction_id: str
    content_hash: str
    release_id: str
    decision: str
    signal: float
    amount: str | None
    account_id: str | None
    payment: Mapping[str, Any]
    evidence: Mapping[str, Any]
    answer: Mapping[str, Any]
    scored_at: datetime | None = None


class ScoreLog(Protocol):
    """The scores that the service gave: append-only, one a transaction."""

    def append(self, scores: Sequence[KeptScore]) -> list[KeptScore]:
        """Keep scores and return what is kept of each transaction now: an earlier score stays."""
        ...

    def find(self, transactions: Collection[str]) -> dict[str, KeptScore]:
        """Return the kept scores of these transactions, those that there are."""
        ...

    def since(self, moment: datetime, limit: int) -> list[KeptScore]:
        """Return scores from a moment on, oldest first."""
        ...

    def payments_since(self, moment: datetime, limit: int) -> list[tuple[datetime, dict[str, Any]]]:
        """Return when payments were scored, from a moment on, and the payments as they were kept; oldest first."""
        ...

    def latest(self, limit: int, after: datetime | None = None) -> list[KeptScore]:
        """Return the scores that were made last (after a moment), oldest first."""
        ...

    def lately(self, limit: int, after: datetime | None = None, known: Collection[str] = ()) -> list[KeptScore]:
        """Return the scores that were made last (after a moment) but for those `known`, oldest first.

        Of their answers only what evidence was missing: reasons and precedents are most of a score.
        """
        ...

    def alarming(self, moment: datetime, limit: int, known: Collection[str] = ()) -> list[KeptScore]:
        """Return scores from a moment on whose decision is not 'allow', but for those `known`; oldest first."""
        ...

    def queue(self, limit: int) -> list[KeptScore]:
        """Return payments to review that nobody has judged, by signal times amount, greatest first.

        A blocked payment that one person calls good stays until a second person has spoken.
        """
        ...

    def forget(self, account_id: str) -> list[str]:
        """Remove an account's scores and return their transactions."""
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        ...


class OverlayStore(Protocol):
    """What feedback changed in the references of releases: append-only."""

    def append(self, change: Change, after: int) -> Change | None:
        """Append a change that was made of the overlay up to `after`, and return it with its number.

        None if a later word on its subject is there. Raises ChangedError if other changes came since `after`.
        """
        ...

    def since(self, release_id: str, sequence: int) -> list[Change]:
        """Return the changes of a release after this number, in their order."""
        ...

    def forget(self, account: str, payments: Collection[str]) -> int:
        """Remove what an account's payments brought, and return how many rows went."""
        ...

    def naming(self, account: str, payments: Collection[str]) -> int:
        """Count the rows that an account's payments brought."""
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        ...


class AccountRows(Protocol):
    """What the tables of scores, alerts, lists and cases hold of an account."""

    def payments(self, account: str) -> frozenset[str]:
        """Return the transactions that were scored or told as this account's."""
        ...

    def own(self, account: str, payments: Collection[str]) -> dict[str, int]:
        """Count the rows of an account and its payments, by table."""
        ...

    def naming(self, account: str, payments: Collection[str]) -> dict[str, int]:
        """Count the rows of others that name the account or cite its payments, by table.

        Scores name the one paid; notes on cases and reasons of list entries name whom somebody wrote down.
        """
        ...

    def remove(self, account: str, payments: Collection[str]) -> None:
        """Remove the account's rows, and its name and payments from the rows of others."""
        ...


@dataclass(frozen=True)
class Alert:
    """What the security team learns of a payment. No personal data: the account is a pseudonym."""

    transaction_id: str
    account_id: str | None
    decision: str
    signal: float
    content: Mapping[str, Any]


class AlertSink(Protocol):
    """Where alerts go."""

    def send(self, alert: Alert) -> None:
        """Deliver one alert. Raises StoreUnavailableError; sending again after that may deliver it twice."""
        ...

    def ping(self) -> None:
        """Raise StoreUnavailableError if the sink does not answer."""
        ...


class AlertLog(Protocol):
    """Alerts on their way: each payment has one at most, in the state held, repeated, pending or sent."""

    def hold(self, alert: Alert, window: timedelta) -> None:
        """Keep an alert as held, or as repeated if its account has another one in the window before now."""
        ...

    def promote(self, allowed: int, held_for: timedelta, least: float = ANYTHING) -> int:
        """Let held alerts be pending, the riskiest first, until today has `allowed`; return how many.

        They were held for less than `held_for`, and their risk, the signal and 1 more of what is blocked, is `least`
        or more.
        """
        ...

    def reached(self, per_day: int, days: int) -> list[float]:
        """The risk of the riskiest alert but `per_day` - 1 of each day (UTC), of the `days` before today with alerts.

        It is ANYTHING of a day with fewer. Repeated alerts do not count.
        """
        ...

    def pending(self, limit: int) -> list[Alert]:
        """Claim alerts that are to be sent and return them; nobody else gets them within half a minute."""
        ...

    def unclaim(self, transaction_id: str) -> None:
        """Let an alert that could not be sent be claimed again at once."""
        ...

    def mark_sent(self, transaction_id: str) -> None:
        """Keep that an alert was delivered."""
        ...

    def today(self) -> dict[str, int]:
        """Return how many alerts of today (UTC) are in each state."""
        ...


class Checkpoints(Protocol):
    """How far a stream was consumed, and the records that could not be."""

    def load(self, stream: str) -> dict[str, str]:
        """Return the sequence of the last consumed record of each shard."""
        ...

    def save(self, stream: str, shard: str, sequence: str) -> None:
        """Keep that all records of a shard up to this one were consumed."""
        ...

    def bury(self, stream: str, record: "Record", reason: str) -> None:
        """Keep that a record was no payment, and why; of its content only the hash."""
        ...

    def buried(self, stream: str) -> list[tuple[str, str, str]]:
        """Return shard, sequence and reason of the records that were buried."""
        ...


@dataclass(frozen=True)
class Record:
    """One record of a stream: its place (shard and sequence) and its bytes."""

    shard: str
    sequence: str
    data: bytes


class PaymentStream(Protocol):
    """Payments as they happen, in order within a shard, at least once."""

    def records(self, checkpoints: Mapping[str, str]) -> Iterator[Sequence[Record]]:
        """Yield records after the checkpoint (sequence) of each shard, some at a time; empty where none came."""
        ...


@dataclass(frozen=True)
class Token:
    """A token as it is kept: never the token itself."""

    token_id: str
    role: str
    name: str
    created_at: datetime | None = None
    revoked_at: datetime | None = None


class TokenStore(Protocol):
    """Who may ask the service."""

    def add(self, token: Token, digest: str) -> Token:
        """Keep a token's digest (SHA-256, hex)."""
        ...

    def find(self, digest: str) -> Token | None:
        """Return the token of a digest unless it was revoked."""
        ...

    def revoke(self, token_id: str) -> None:
        """Let a token open nothing any more. Raises NotFoundError."""
        ...

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        ...


@dataclass(frozen=True)
class Ready:
    """What each store answered: None, or why it is not ready."""

    problems: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every store answered."""
        return not any(self.problems.values())
