"""The present name of an earlier score's account: scores keep the pseudonyms that they were made with."""

from collections.abc import Callable
from datetime import datetime
from functools import reduce

import pyarrow as pa

from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, hashed_again
from counterfoil.ports.releases import DecisionLog
from counterfoil.steps.privacy.rotate_key import ROTATE_KEY

Renaming = Callable[[str | None, datetime | None], str | None]
"""The present pseudonym of an account that a score of some moment names."""


def renaming(log: DecisionLog, keys: PseudonymKeys) -> Renaming:
    """Read from the decision log when each of `keys` came; nothing is renamed if the log knows of no change."""
    changes = []
    for count in range(2, len(keys.keys) + 1):
        told = log.entries(ROTATE_KEY, PseudonymKeys(keys.keys[:count]).key_id)
        changes += [(entry.at, count - 1) for entry in told if entry.at is not None]

    def renamed(account: str | None, at: datetime | None) -> str | None:
        if account is None or at is None:
            return account
        keys_then = min((before for changed, before in changes if at < changed), default=len(keys.keys))
        name: str | None = reduce(hashed_again, keys.keys[keys_then:], pa.array([account], pa.string()))[0].as_py()
        return name

    return renamed
