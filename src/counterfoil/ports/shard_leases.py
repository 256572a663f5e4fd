"""Who of several readers of one stream reads which of its shards."""

from collections.abc import Collection
from typing import Protocol


class ShardLeases(Protocol):
    """Leases of the shards of one stream, for one reader; others of the same stream have the other shards."""

    def mine(self, shards: Collection[str]) -> frozenset[str]:
        """Renew what this reader holds of `shards`, take its fair share of what is free, and return what it holds.

        It lets go of shards that are not among `shards`, and of those beyond its share. A reader that has not asked
        for the time of a lease holds nothing any more. Raises StoreUnavailableError.
        """
        ...

    def leave(self) -> None:
        """Let go of everything at once. Raises StoreUnavailableError."""
        ...
