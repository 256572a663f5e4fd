"""The words of the analyst's desk: what lists name and do, and what a case turns out to be."""

from enum import StrEnum

IN_FORCE = "in-force"
"""The policy that is in force when it is asked for, as a name."""


class Entity(StrEnum):
    """What a list may name."""

    ACCOUNT = "account"
    MERCHANT = "merchant"
    SOURCE_IP = "source_ip"
    DEVICE = "device"
    CARD_BIN = "card_bin"

    @property
    def column(self) -> str:
        """The column of `transactions` that it is compared with."""
        return self.value if self is Entity.CARD_BIN else f"{self.value}_id"

    @property
    def is_hashed(self) -> bool:
        """Whether the column holds keyed hashes, which follow a change of the key."""
        return self in (Entity.ACCOUNT, Entity.SOURCE_IP, Entity.DEVICE)


class ListEffect(StrEnum):
    """What an entry does to the payments of what it names; a watched one is reviewed, a snoozed one is not."""

    SNOOZE = "snooze"
    WATCH = "watch"
    BLOCK = "block"
    ALLOW = "allow"
    FATAL_BLOCK = "fatal block"


class Outcome(StrEnum):
    """What a case turned out to be."""

    FRAUD = "fraud"
    GOOD = "good"
    UNSURE = "unsure"  # looked at and not decided: says no label
