"""Commands on cases: the alerts of one account that are looked at together."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, existing_workspace
from counterfoil.cli.release import Operator, Reason
from counterfoil.domain.policy.desk_words import Outcome
from counterfoil.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Cases: take alerts, list, show, assign, note, close.")

CaseId = Annotated[str, typer.Argument(metavar="CASE", help="A case's id, as 'cases list' names it")]


@app.command()
def take(
    run: Annotated[str | None, typer.Option(help="A run of scores [default: what the service scored]")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days back, of what the service scored")] = 30,
    due_days: Annotated[int, typer.Option(min=1, help="Days until a new case is due")] = 2,
    workspace: WorkspaceFolder = None,
) -> None:
    """Put alerts into cases, one an account; doing it again adds what is new."""
    from counterfoil.steps.privacy.score_names import renaming
    from counterfoil.steps.scoring.cases import alerts_of_run, alerts_of_service, take_cases

    place = existing_workspace(workspace)
    place.cases.rekey(place.pseudonym_key)
    since = datetime.now(UTC) - timedelta(days=days)
    renamed = renaming(place.decisions, place.pseudonym_key)
    alerts = alerts_of_service(place.scores, since, renamed) if run is None else alerts_of_run(place.tables, run)
    opened, added = take_cases(place.cases, alerts, place.pseudonym_key.key_id, timedelta(days=due_days))
    typer.echo(f"{added:,} new alerts, {opened:,} cases opened")


@app.command("list")
def list_cases(
    limit: Annotated[int, typer.Option(min=1)] = 20,
    closed: Annotated[bool, typer.Option("--closed", help="Closed cases too")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write them to this CSV file")] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """List cases, greatest expected loss first."""
    from counterfoil.cli.show.cases import show_cases, write_cases

    found = existing_workspace(workspace).cases.queue(limit, closed=closed)
    if csv is not None:
        write_cases(found, csv)
    show_cases(found)


@app.command()
def show(case: CaseId, workspace: WorkspaceFolder = None) -> None:
    """Show a case: its alerts, and what was said and done."""
    from counterfoil.cli.show.cases import show_case

    store = existing_workspace(workspace).cases
    show_case(store.find(case), store.alerts(case), store.notes(case))


@app.command()
def assign(
    case: CaseId, to: Annotated[str, typer.Option(help="Who works on it")], operator: Operator = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Let somebody work on a case."""
    existing_workspace(workspace).cases.assign(case, _somebody(to, "--to"), _somebody(operator, "--operator"))
    typer.echo(f"case {case} is with {to}")


@app.command()
def note(
    case: CaseId, words: Annotated[str, typer.Argument(help="What is to be kept")], operator: Operator = None,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Keep a note on a case."""
    existing_workspace(workspace).cases.note(case, _somebody(operator, "--operator"), _somebody(words, "words"))


@app.command()
def link(
    case: CaseId, other: Annotated[str, typer.Argument(metavar="OTHER", help="The case that leads the ring")],
    operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Let a case be worked on with another one, of a linked account: a ring is one case."""
    who, why = _somebody(operator, "--operator"), _somebody(reason, "--reason")
    lead = existing_workspace(workspace).cases.link(case, other, who, why)
    typer.echo(f"case {lead.case_id} leads a ring of {lead.accounts:,} accounts with {lead.alerts:,} alerts")


@app.command()
def unlink(case: CaseId, operator: Operator = None, reason: Reason = "", workspace: WorkspaceFolder = None) -> None:
    """Take a case out of its ring."""
    who, why = _somebody(operator, "--operator"), _somebody(reason, "--reason")
    existing_workspace(workspace).cases.unlink(case, who, why)
    typer.echo(f"case {case} is in no ring")


@app.command()
def close(
    case: CaseId, outcome: Annotated[Outcome, typer.Option()], operator: Operator = None,
    reason: Reason = "", workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Close a case: its outcome is feedback on what the service scored, which acts, and the label of the others."""
    from counterfoil.workspace.close_case import close_with_feedback

    closed = close_with_feedback(existing_workspace(workspace), case, outcome, operator or "", reason)
    labels = closed.appended.new + closed.appended.changed
    typer.echo(
        f"case {case} is closed as {outcome}: {labels:,} labels and {closed.said:,} words of feedback on "
        f"{closed.case.alerts:,} alerts"
    )


def _somebody(text: str | None, what: str) -> str:
    if not (text or "").strip():
        raise UsageError(f"{what} is blank: say who or what")
    return str(text).strip()
