"""What decides on payments and alerts people, and a change of it that is tried before it counts."""

from dataclasses import dataclass, replace

import pyarrow as pa

from counterfoil.domain.policy.lists import NO_LISTS, Lists
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import NO_RULES, RuleSet
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.errors import UsageError


@dataclass(frozen=True)
class Contender:
    """Thresholds, the policy that changes what they decide (None: nothing does), and how many alerts a day are sent.

    Without `alerts_per_day` people are alerted on each payment that is not allowed, at once.
    """

    policy: Policy | None
    thresholds: Thresholds
    alerts_per_day: int | None = None


@dataclass(frozen=True)
class Change:
    """What is tried instead of what is in force; what is None stays as it is. `added` are further entries of lists."""

    rules: RuleSet | None = None
    added: Lists = NO_LISTS
    review: float | None = None
    block: float | None = None
    alerts_per_day: int | None = None

    def thresholds(self, today: Thresholds) -> Thresholds:
        """The thresholds with this change. Raises UsageError for one outside [0, 1], or a block below the review.

        >>> Change(review=0.2).thresholds(Thresholds(0.5, 0.9)).review
        0.2
        """
        changed = replace(
            today,
            review=today.review if self.review is None else self.review,
            block=today.block if self.block is None else self.block,
        )
        for name, signal in (("review", changed.review), ("block", changed.block)):
            if signal is not None and not 0 <= signal <= 1:
                raise UsageError(f"the {name} threshold is {signal:g}: signals are from 0 to 1")
        if changed.review is not None and changed.block is not None and changed.block < changed.review:
            raise UsageError(
                f"block from {changed.block:g} on is below review from {changed.review:g} on: give both thresholds"
            )
        return changed

    def policy(self, today: Policy | None) -> Policy | None:
        """The policy with this change."""
        rules = self.rules or (NO_RULES if today is None else today.rules)
        entries = [lists.entries for lists in (NO_LISTS if today is None else today.lists, self.added)]
        if today is None and self.rules is None and not entries[1].num_rows:
            return None
        return Policy(rules, Lists(pa.concat_tables(entries)))

    def of(self, today: Contender) -> Contender:
        """What decides and alerts with this change; without a budget of its own it has today's."""
        budget = today.alerts_per_day if self.alerts_per_day is None else self.alerts_per_day
        return Contender(self.policy(today.policy), self.thresholds(today.thresholds), budget)
