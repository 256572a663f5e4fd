"""What people see of policies and lists."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    from counterfoil.domain.evaluation.paired import Difference
    from counterfoil.domain.evaluation.policy_trial import PolicyTrial
    from counterfoil.ports.desk import ListSummary
    from counterfoil.steps.insights.amazon_trial import AmazonTrial
    from counterfoil.steps.insights.policy_shadow import Shadow
    from counterfoil.steps.scoring.policies import Standing


def show_standing(now: "Standing") -> None:
    """The rule set in force with its two signatures, and the proposals that wait."""
    if now.approved:
        last = now.approved[-1]
        maker, name = last.details["maker"], now.proposals[last.subject].details["name"]
        out.print(
            escape(f"in force: {last.subject} ({name}), proposed by {maker}, approved by {last.actor}: {last.reason}"),
            soft_wrap=True,
        )
    else:
        out.print("in force: no rule set")
    for version, proposal in now.waiting.items():
        out.print(escape(f"waits for a second person: {version}, proposed by {proposal.actor}: {proposal.reason}"),
                  soft_wrap=True)  # fmt: skip


def show_lists(lists: Sequence["ListSummary"]) -> None:
    """One line a list and kind of entity."""
    if not lists:
        return
    table = Table("list", "effect", "entity", "in force", "over", "next end")
    for one in lists:
        end = "" if one.next_end is None else f"{one.next_end:%Y-%m-%d %H:%M}"
        table.add_row(escape(one.name), one.effect, one.entity, f"{one.active:,}", f"{one.over:,}", end)
    out.print(table)


_WORDS = {
    "alerts": "alerts", "precision": "precision", "recall": "recall", "money_caught": "money of caught frauds",
    "money_gained": "money gained, less costs",
}  # fmt: skip


_SHARES = ("precision", "recall")


def show_trial(trial: "PolicyTrial", tried: str = "tried", today: str = "today") -> None:
    """A tried policy beside today's, with the differences and their 95 % intervals by account."""
    from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS

    table = Table("", tried, today, "difference", "95 %")
    for name, words in _WORDS.items():
        found, digits = trial.differences[name], 3 if name in _SHARES else 0
        values = (trial.tried[name], trial.today[name], found.value)
        table.add_row(words, *(_shown(value, digits) for value in values), _span(found, digits))
    if trial.busiest_day is not None:
        most, before = trial.busiest_day
        table.add_row("most alerts on a day", f"{most:,}", f"{before:,}", f"{most - before:,}", "")
    out.print(table)
    out.print(
        f"{trial.changed:,} of {trial.payments:,} payments are decided differently; {trial.frauds:,} are frauds, of "
        f"{trial.unlabelled:,} nothing is known",
        soft_wrap=True,
    )
    if all(found.low is None for found in trial.differences.values()):
        out.print(f"no intervals: fewer than {FEWEST_ACCOUNTS} accounts have frauds there", soft_wrap=True)


def show_shadow(found: "Shadow") -> None:
    """What a proposal would have decided otherwise since it was proposed, and its figures beside today's."""
    since = "" if found.since is None else f" since {found.since:%Y-%m-%d %H:%M}"
    changed = sum(found.changed.values())
    out.print(
        f"{found.version} would have decided {changed:,} of {found.payments:,} payments otherwise{since}",
        soft_wrap=True,
    )
    for (then, tried), count in sorted(found.changed.items()):
        out.print(f"{then} -> {tried}: {count:,}")
    for one in found.examples:
        line = f"{one.transaction_id}: {one.then} -> {one.tried} ({', '.join(one.hits) or 'nothing spoke'})"
        out.print(escape(line), soft_wrap=True)
    if found.trial is not None:
        show_trial(found.trial)


def show_amazon(found: "AmazonTrial") -> None:
    """Past predictions of Amazon Fraud Detector beside ours."""
    out.print(f"{found.matched:,} of {found.predictions:,} predictions are of events that the run scored")
    for (theirs, ours), count in sorted(found.decisions.items()):
        out.print(f"there {theirs}, here {ours}: {count:,}")
    show_trial(found.trial, "ours", "theirs")
    if found.pair is None:
        return
    table = Table("", "ours less theirs", "95 %")
    for name in ("auc", "average_precision"):
        one = found.pair.differences[name]
        table.add_row(name.replace("_", " "), _shown(one.value, 3), _span(one, 3))
    out.print(table)


def _span(found: "Difference", digits: int) -> str:
    return "" if found.low is None else f"{_shown(found.low, digits)} to {_shown(found.high, digits)}"


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
