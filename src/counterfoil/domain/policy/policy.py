"""A policy: rules and lists that change a release's decisions, each change with what asked for it.

From the weakest to the strongest: the release's thresholds, a review (by a rule or a watch list), a block, an allow, a
fatal block. A snooze keeps a payment from being reviewed, never from being blocked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.policy.lists import NO_LISTS, Entity, ListEffect, Lists
from counterfoil.domain.policy.rules import Effect, RuleSet

_STRONGEST_FIRST = (Effect.FATAL_BLOCK, Effect.ALLOW, Effect.BLOCK, Effect.REVIEW, ListEffect.WATCH, ListEffect.SNOOZE)


@dataclass(frozen=True)
class Policy:
    """Rules and lists as they are at one moment."""

    rules: RuleSet
    lists: Lists = NO_LISTS

    @property
    def version(self) -> str:
        """The version of the rule set, which a score records."""
        return self.rules.version

    @property
    def columns(self) -> tuple[str, ...]:
        """What of a payment, its evidence and its score is read."""
        return tuple(dict.fromkeys([*self.rules.kinds, *(entity.column for entity in Entity)]))

    def decide(self, payment: Mapping[str, Any], decision: str, at: datetime) -> tuple[Decision, list[str]]:
        """The decision on one payment that the release decided on as `decision`, and all that spoke, strongest first.

        `payment` has numbers as float; what it lacks is unknown.
        """
        of_rules = {_told(self.rules, place) for place in self.rules.online.hits(payment)}
        hits = in_order(of_rules | self.lists.hits(payment, at))
        return settle(decision, hits), hits

    def batch_sql(self, at: str | None) -> str:
        """SQL over `batch` (with `row`, `decision` and `columns`) and `entries` (lists.ENTRIES): row, hits, decided.

        It gives the payments of which anything speaks, by row: on all others the decision stays. `at` is SQL for the
        moment at which the lists are looked up. Without it, `batch` has what they said in its column `said_by_lists`,
        and there are no `entries`.
        """
        spoken = listed = _listed_sql(at)
        if self.rules.rules:
            told = "list_concat(coalesce(ruled.told, []), coalesce(listed.told, [])) AS told"
            spoken = (
                f"SELECT row, {told} FROM ({self._ruled_sql()}) AS ruled FULL JOIN ({listed}) AS listed USING (row)"
            )
        return f"""
WITH ordered AS (SELECT row, {_ordered_sql("told")} AS hits FROM ({spoken}))
SELECT row, hits, {_settled_sql("decision", "hits")} AS decided FROM batch JOIN ordered USING (row) ORDER BY row
"""

    def _ruled_sql(self) -> str:
        """What the rules say of each payment of `batch` of which any of them speaks: row, told.

        Texts are made of these payments alone: of most payments no rule speaks.
        """
        told = [f"CASE WHEN {rule.condition.sql} THEN {_text(_told(self.rules, place))} END"
                for place, rule in enumerate(self.rules.rules)]  # fmt: skip
        asked = " OR ".join(rule.condition.sql for rule in self.rules.rules)
        spoken = f"list_filter([{', '.join(told)}], lambda hit: hit IS NOT NULL)"
        return f"SELECT row, {spoken} AS told FROM batch WHERE {asked}"


def _listed_sql(at: str | None) -> str:
    """What the lists say, or said, of each payment of `batch` at a moment: row, told."""
    if at is None:
        return "SELECT row, said_by_lists AS told FROM batch WHERE len(said_by_lists) > 0"
    named = " UNION ALL ".join(
        f"SELECT row, {at} AS moment, '{entity}' AS entity, \"{entity.column}\" AS value FROM batch"
        for entity in Entity
    )
    return f"""
  SELECT row, list(DISTINCT effect || ': list ' || list) AS told FROM ({named}) JOIN entries USING (entity, value)
  WHERE since <= moment AND (until IS NULL OR moment < until) GROUP BY row
"""


def _told(rules: RuleSet, place: int) -> str:
    return f"{rules.rules[place].effect}: rule {rules.rules[place].id}"


def in_order(hits: Collection[str]) -> list[str]:
    """What spoke, the strongest first, then by name."""
    return [hit for effect in _STRONGEST_FIRST for hit in sorted(hits) if hit.startswith(f"{effect}: ")]


def settle(decision: str, hits: Collection[str]) -> Decision:
    """The decision of the release's thresholds, as changed by what spoke ('effect: who').

    >>> str(settle("block", ["allow: list staff", "block: rule velocity"]))
    'allow'
    """
    effects = {hit.partition(": ")[0] for hit in hits}
    if Effect.FATAL_BLOCK in effects:
        return Decision.BLOCK
    if Effect.ALLOW in effects:
        return Decision.ALLOW
    if decision == Decision.BLOCK or Effect.BLOCK in effects:
        return Decision.BLOCK
    asked = decision == Decision.REVIEW or not effects.isdisjoint({Effect.REVIEW, ListEffect.WATCH})
    return Decision.REVIEW if asked and ListEffect.SNOOZE not in effects else Decision.ALLOW


def _ordered_sql(hits: str) -> str:
    parts = [
        f"list_sort(list_filter({hits}, lambda hit: starts_with(hit, '{effect}: ')))" for effect in _STRONGEST_FIRST
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = f"list_concat({whole}, {part})"
    return whole


def _settled_sql(decision: str, hits: str) -> str:
    def spoke(effect: str) -> str:
        return f"len(list_filter({hits}, lambda hit: starts_with(hit, '{effect}: '))) > 0"

    asked = f"{decision} = 'review' OR {spoke(Effect.REVIEW)} OR {spoke(ListEffect.WATCH)}"
    return (
        f"CASE WHEN {spoke(Effect.FATAL_BLOCK)} THEN 'block' WHEN {spoke(Effect.ALLOW)} THEN 'allow' "
        f"WHEN {decision} = 'block' OR {spoke(Effect.BLOCK)} THEN 'block' "
        f"WHEN ({asked}) AND NOT ({spoke(ListEffect.SNOOZE)}) THEN 'review' ELSE 'allow' END"
    )


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
