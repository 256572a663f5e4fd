"""What a challenger would have said: its scores stand beside the champion's, and nothing acts on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from counterfoil.ports.service import KeptScore


@dataclass(frozen=True)
class ShadowScore:
    """A challenger's score of a payment, with the decision that its thresholds alone make."""

    transaction_id: str
    release_id: str
    decision: str
    signal: float


@dataclass(frozen=True)
class Beside:
    """A payment with both scores. `champion` is the release that answered, with the signal it gave then."""

    transaction_id: str
    account_id: str | None
    event_time: datetime
    champion: str
    champion_signal: float
    shadow_decision: str
    shadow_signal: float


class ShadowLog(Protocol):
    """Scores of challengers: append-only, one a release and transaction."""

    def append(self, scores: Sequence[ShadowScore]) -> int:
        """Keep scores of payments that were scored, and return how many are new; an earlier one stays.

        A payment that is scored no more, since its account was forgotten, is left out.
        """
        ...

    def waiting(self, release_id: str, since: datetime, limit: int) -> list[KeptScore]:
        """Return scores of other releases since a moment that this release has not scored yet, oldest first."""
        ...

    def beside(self, release_id: str, since: datetime | None, until: datetime | None) -> list[Beside]:
        """Return the payments that a release scored in shadow, by the time of the champion's score."""
        ...
