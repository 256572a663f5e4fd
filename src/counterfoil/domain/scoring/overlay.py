"""The overlay of a release: references that people's feedback added to its base, change by change.

The base never changes. Each change has a number, and a score names the last one that it was made with: from the
changes up to that number the score can be made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from counterfoil.domain.arrays import Floats

NEAR = 0.99
"""Below this cosine of the two, as they were scored, no payment is nearly a copy of another."""


@dataclass(frozen=True)
class OverlayReference:
    """A scored payment that somebody judged, kept as a reference for payments that are nearly copies of it.

    `vector` is the payment's own as it was scored, of unit length, float32. A payment is nearly a copy of it from the
    cosine `reach` on.
    """

    reference_id: str
    label: int
    event_time: datetime
    known_at: datetime
    amount: Decimal | None
    currency: str | None
    merchant_id: str | None
    category: str | None
    account_id: str | None
    vector: Floats
    reach: float = NEAR


@dataclass(frozen=True)
class Change:
    """What came of the last word on a payment (`subject`): its references, or none if it was taken back.

    `said` is the number of that word in the decision log. `intercept` is the calibration's from this change on.
    `sequence` is given by the store.
    """

    release_id: str
    subject: str
    label: int | None
    said: int
    intercept: float
    references: tuple[OverlayReference, ...] = ()
    sequence: int = 0


@dataclass(frozen=True)
class Overlay:
    """All changes of a release up to `sequence`, of each payment the last. Without changes it is the base alone."""

    sequence: int = 0
    intercept: float | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)

    def with_change(self, change: Change) -> "Overlay":
        """The overlay with one change more, which comes after all others."""
        others = {subject: one for subject, one in self.changes.items() if subject != change.subject}
        return replace(
            self, sequence=change.sequence, intercept=change.intercept, changes={**others, change.subject: change}
        )

    @cached_property
    def references(self) -> tuple[OverlayReference, ...]:
        """The references that hold, one a payment."""
        return tuple(one for change in self.changes.values() for one in change.references)
