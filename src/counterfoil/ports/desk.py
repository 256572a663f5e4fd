"""What the analyst's desk asks of the world: lists that a policy reads, and cases of alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
        """Let an entry count no longer; tell whether there was one. `value` is as payments have it."""
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
