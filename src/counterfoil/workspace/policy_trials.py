"""Try rules, lists, thresholds or an alert budget on the past of a workspace, or a proposal on what came after it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.policy_trial import PolicyTrial
from counterfoil.domain.periods import EPOCH, Period
from counterfoil.domain.policy.contender import Change, Contender
from counterfoil.domain.policy.lists import ENTRIES, Entity, ListEffect, Lists, ReadList, read_list
from counterfoil.errors import UsageError
from counterfoil.steps.scoring.policies import rules_of, standing
from counterfoil.workspace.policy_files import LARGEST_LIST, text_of
from counterfoil.workspace.wiring import Workspace

if TYPE_CHECKING:
    from counterfoil.domain.release.release import Release
    from counterfoil.steps.insights.policy_shadow import Shadow

TRIED = "tried"
"""The name of a list that is tried."""


def tried_list(place: Workspace, path: Path, effect: ListEffect, entity: Entity | None) -> tuple[Lists, ReadList]:
    """The entries of a file as if they had always been in force, until the end that it gives, and what came of it.

    Raises UsageError as `read_list` does, and where no line of the file can be used.
    """
    read = read_list(text_of(path, LARGEST_LIST), entity, None, TRIED, place.pseudonym_key)
    if not read.entries:
        refused = ", ".join(f"{count:,} {why}" for why, count in sorted(read.refused.items())) or "it has no lines"
        raise UsageError(f"no line of {path.name} can be used ({refused})")
    rows = [(TRIED, str(effect), str(one.entity), one.value, EPOCH, one.until) for one in read.entries]
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), ENTRIES, strict=True)]
    return Lists(pa.table(columns, schema=ENTRIES)), read


def try_on_run(place: Workspace, change: Change, run: str, period: Period, costs: AlertCosts) -> PolicyTrial:
    """Try a change on a run of scores beside what is in force."""
    from counterfoil.steps.insights.policy_trial import backtest_policy
    from counterfoil.steps.insights.scores import release_of_run

    release = _releases(place)(release_of_run(place.tables, run))
    budget = None if change.alerts_per_day is None else place.settings.alerts_per_day
    today = Contender(place.policies.current(), release.thresholds, budget)
    return backtest_policy(place.tables, run, change.of(today), today, period=period, costs=costs)


def try_online(place: Workspace, change: Change, period: Period, costs: AlertCosts) -> PolicyTrial:
    """Try a change on what the service scored in a period, beside what was decided then.

    Without rules of its own it has those in force now.
    """
    from counterfoil.steps.insights.online_trial import backtest_online

    now = standing(place.decisions)
    if change.rules is None and now.in_force is not None:
        change = replace(change, rules=rules_of(now, now.in_force))
    return backtest_online(
        place.scores, place.decisions, place.tables, _releases(place), change,
        budget_now=place.settings.alerts_per_day, period=period, costs=costs,
    )  # fmt: skip


def shadow_of(place: Workspace, version: str, latest: int | None = None) -> "Shadow":
    """What a proposal that waits decides on what the service scored since, beside what was decided."""
    from counterfoil.steps.insights.policy_shadow import LATEST, shadow

    return shadow(
        place.scores, place.decisions, place.tables, _releases(place), version, latest=latest or LATEST
    )  # fmt: skip


def _releases(place: Workspace) -> Callable[[str], "Release"]:
    from counterfoil.steps.releases.registration import load_release

    return lambda name: load_release(place.registry, name)
