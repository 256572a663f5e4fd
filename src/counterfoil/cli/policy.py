"""Commands on policies: rule sets and lists that change a release's decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import Day, WorkspaceFolder, existing_workspace
from counterfoil.cli.release import Operator, Reason
from counterfoil.domain.policy.desk_words import Entity, ListEffect
from counterfoil.errors import UsageError

if TYPE_CHECKING:
    from counterfoil.domain.policy.lists import ReadList
    from counterfoil.domain.policy.rules import Effect

app = typer.Typer(no_args_is_help=True, help="Policies: check, propose, approve (two people), roll back; lists.")

RuleFile = Annotated[Path, typer.Argument(metavar="RULES", help="A rule set (.toml)", exists=True, dir_okay=False)]
Version = Annotated[str, typer.Argument(help="The version that was proposed")]
ListName = Annotated[str, typer.Argument(metavar="LIST", help="The list's name")]
Outcomes = Annotated[list[str] | None, typer.Option(help="What one does here: NAME=review, block, allow")]
OneMapping = Annotated[
    str | None, typer.Option("--mapping", "-m", help="The mapping whose own evidence rules may read too")
]


@app.command()
def check(file: RuleFile, mapping: OneMapping = None) -> None:
    """Say of each rule whether it can be used, with place and reason of every problem; changes nothing."""
    from counterfoil.workspace.policy_files import load_rules

    rules = load_rules(file, mapping)
    for rule in rules.rules:
        typer.echo(f"{rule.id}: {rule.effect} if {' '.join(rule.condition.text.split())} ({rule.owner}: {rule.reason})")
    typer.echo(f"{len(rules.rules)} rules of {rules.name!r} can be used; version {rules.version}")


@app.command()
def propose(
    file: RuleFile, mapping: OneMapping = None, operator: Operator = None, reason: Reason = "",
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Sign a rule set as its maker; it is in force once somebody else approves it."""
    from counterfoil.steps.scoring import policies
    from counterfoil.workspace.policy_files import load_rules

    place = existing_workspace(workspace)
    signed = policies.propose(place.decisions, load_rules(file, mapping), operator, reason)
    typer.echo(f"policy {signed.version} waits for a second person: counterfoil policy approve {signed.version}")


@app.command()
def approve(
    version: Version, operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None
) -> None:
    """Sign a proposal as its checker, who is not its maker: it is in force from now on."""
    from counterfoil.steps.scoring import policies

    signed = policies.approve(existing_workspace(workspace).decisions, version, operator, reason)
    typer.echo(
        f"policy {signed.version} is in force" if signed.effect
        else f"somebody else approved it at the same moment: policy {signed.in_force} is in force"
    )  # fmt: skip


@app.command()
def rollback(operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None) -> None:
    """Let the policy before be in force again."""
    from counterfoil.steps.scoring import policies

    signed = policies.rollback(existing_workspace(workspace).decisions, operator, reason)
    typer.echo(f"policy {signed.in_force or policies.NO_POLICY} is in force")


@app.command()
def show(workspace: WorkspaceFolder = None) -> None:
    """Show the rule set in force, what waits for a second signature, and the lists."""
    from counterfoil.cli.show.policy import show_lists, show_standing
    from counterfoil.steps.scoring.policies import standing

    place = existing_workspace(workspace)
    show_standing(standing(place.decisions))
    show_lists(place.lists.summaries())


@app.command()
def backtest(
    file: Annotated[Path | None, typer.Argument(metavar="RULES", help="A rule set (.toml); today's rules without it",
                                                exists=True, dir_okay=False)] = None,
    run: Annotated[str | None, typer.Option(help="The run of scores, as 'counterfoil score' named it")] = None,
    online: Annotated[
        bool, typer.Option("--online", help="What the service scored, instead of a run; days are those of scoring")
    ] = False,
    mapping: OneMapping = None, since: Day = None, until: Day = None,
    review: Annotated[float | None, typer.Option(min=0, max=1, help="Review from this signal on")] = None,
    block: Annotated[float | None, typer.Option(min=0, max=1, help="Block from this signal on")] = None,
    listed: Annotated[Path | None, typer.Option("--list", help="A list's file, as for 'policy add', as if it had been "
                                                "in force all the time", exists=True, dir_okay=False)] = None,
    effect: Annotated[ListEffect | None, typer.Option(help="What that list does to its payments")] = None,
    entity: Annotated[Entity | None, typer.Option(help="What its values are, where the file does not say")] = None,
    alerts_per_day: Annotated[int | None, typer.Option(
        min=0, help="Alerts a day at most, the riskiest first; beside COUNTERFOIL_ALERTS_PER_DAY")] = None,
    cost_per_alert: Annotated[float, typer.Option(min=0)] = 5.0,
    cost_per_false_alarm: Annotated[float, typer.Option(min=0)] = 5.0,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Try rules, a list, thresholds or an alert budget on past scores beside today's; changes nothing.

    Each payment is decided on with what was known when it was made. With --online it stands beside what was decided
    then.
    """
    from counterfoil.cli.options import days
    from counterfoil.cli.show.policy import show_trial
    from counterfoil.domain.evaluation.alert_costs import AlertCosts
    from counterfoil.domain.policy.contender import Change
    from counterfoil.domain.policy.lists import NO_LISTS
    from counterfoil.workspace.policy_files import load_rules
    from counterfoil.workspace.policy_trials import tried_list, try_on_run, try_online

    if (run is None) != online:
        raise UsageError("name a run of scores (--run), or ask for what the service scored (--online): one of the two")
    if all(one is None for one in (file, review, block, listed, alerts_per_day)):
        raise UsageError("say what is tried: a rule set, --list, --review, --block or --alerts-per-day")
    if (listed is None) != (effect is None):
        raise UsageError("--list and --effect go together: what does the list do to its payments?")
    place, period = existing_workspace(workspace), days(since, until)
    rules = None if file is None else load_rules(file, mapping)
    added = NO_LISTS
    if listed is not None and effect is not None:
        added, read = tried_list(place, listed, effect, entity)
        typer.echo(f"list {listed.name}: {read.rows:,} rows, {len(read.entries):,} entries{_refused(read)}")
    costs = AlertCosts(cost_per_alert, cost_per_false_alarm)
    change = Change(rules, added, review, block, alerts_per_day)
    show_trial(
        try_online(place, change, period, costs) if run is None else try_on_run(place, change, run, period, costs)
    )


@app.command()
def shadow(
    version: Version,
    latest: Annotated[int | None, typer.Option(min=1, help="The last so many payments [default: 20,000]")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Let a proposal decide on what the service scored since, beside what was decided; nothing follows from it."""
    from counterfoil.cli.show.policy import show_shadow
    from counterfoil.workspace.policy_trials import shadow_of

    show_shadow(shadow_of(existing_workspace(workspace), version, latest))


@app.command("from-amazon")
def from_amazon(
    folder: Annotated[Path, typer.Argument(help="Answers of 'aws frauddetector get-...' (.json)", exists=True,
                                           file_okay=False)],
    out: Annotated[Path, typer.Argument(help="A new folder for mapping.toml, rules.toml and lists/")],
    event_type: Annotated[str | None, typer.Option(help="The event type, where there are several")] = None,
    outcome: Outcomes = None,
) -> None:  # fmt: skip
    """Turn event type, rules and lists of Amazon Fraud Detector into files of ours; name what has no counterpart."""
    from counterfoil.workspace.amazon_export import move_export

    moved = move_export(folder, out, event_type, _effects(outcome))
    typer.echo(f"{out / 'mapping.toml'}, {out / 'rules.toml'}: {moved.rules.count('[[rule]]'):,} rules")
    for name, found in moved.lists.items():
        typer.echo(f"counterfoil policy add {name} {out / 'lists' / name}.csv --effect '{found.effect}'")
    for why in moved.refused:
        typer.echo(f"not moved: {why}", err=True)


@app.command("compare-amazon")
def compare_amazon(
    predictions: Annotated[Path, typer.Argument(help="A batch prediction's CSV, or a folder of answers of "
                                                "get-event-prediction-metadata (.json)", exists=True)],
    run: Annotated[str, typer.Option(help="The run of scores of the same events")],
    outcome: Outcomes = None,
    cost_per_alert: Annotated[float, typer.Option(min=0)] = 5.0,
    cost_per_false_alarm: Annotated[float, typer.Option(min=0)] = 5.0,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Compare past predictions of Amazon Fraud Detector with ours on the same events."""
    from counterfoil.cli.show.policy import show_amazon
    from counterfoil.domain.evaluation.alert_costs import AlertCosts
    from counterfoil.workspace.amazon_export import compare_with_predictions

    costs = AlertCosts(cost_per_alert, cost_per_false_alarm)
    found, refused = compare_with_predictions(existing_workspace(workspace), predictions, run, _effects(outcome), costs)
    show_amazon(found)
    for why, count in sorted(refused.items()):
        typer.echo(f"{count:,} not used: {why}", err=True)


def _effects(outcomes: list[str] | None) -> dict[str, "Effect"]:
    """What outcomes do, of NAME=EFFECT. Raises UsageError."""
    from counterfoil.domain.policy.rules import Effect

    pairs = [text.partition("=") for text in outcomes or []]
    if any(effect not in list(Effect) for _, _, effect in pairs):
        raise UsageError(f"an outcome is given as NAME=EFFECT, of {', '.join(Effect)}")
    return {name: Effect(effect) for name, _, effect in pairs}


@app.command("add")
def add_to_list(
    name: ListName,
    file: Annotated[Path, typer.Argument(help="A value a line, or CSV with a header: value, entity, until, reason",
                                         exists=True, dir_okay=False)],
    effect: Annotated[ListEffect, typer.Option(help="What the list does to its payments")],
    entity: Annotated[Entity | None, typer.Option(help="What the values are, where the file does not say")] = None,
    until: Day = None,
    operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Add what a file names to a list; people and devices are kept as keyed hashes only."""
    from counterfoil.workspace.policy_files import add_list_file

    end = None if until is None else f"{until:%Y-%m-%d}"
    added = add_list_file(existing_workspace(workspace), name, file, effect, entity, end, operator, reason)
    typer.echo(
        f"list {name}: {added.read.rows:,} rows, {added.new:,} new, {added.already:,} there before, "
        f"{added.read.repeated:,} repeated{_refused(added.read)}"
    )


def _refused(read: "ReadList") -> str:
    return "".join(f"; {count:,} refused: {why}" for why, count in sorted(read.refused.items()))


@app.command("end")
def end_entry(
    name: ListName, entity: Annotated[Entity, typer.Option()], value: Annotated[str, typer.Option(help="As in a file")],
    operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Let an entry of a list count no longer."""
    from counterfoil.workspace.policy_files import end_list_entry

    ended = end_list_entry(existing_workspace(workspace), name, entity, value, operator, reason)
    typer.echo(f"list {name}: {ended:,} entries ended")


@app.command()
def snooze(
    entity: Annotated[Entity, typer.Argument(help="account or merchant")], value: Annotated[str, typer.Argument()],
    days: Annotated[int, typer.Option(min=1, max=366, help="For how many days")] = 7,
    operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Keep an account or merchant out of review for some days; its payments can still be blocked."""
    from counterfoil.workspace.policy_files import snooze as snooze_until

    last = snooze_until(existing_workspace(workspace), entity, value, days, operator, reason)
    typer.echo(f"not reviewed until {last} is over")
