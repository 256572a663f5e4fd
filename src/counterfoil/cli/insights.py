"""Commands for analysts: named questions to the lake, and the report."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder, day_option, days, existing_workspace
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY

if TYPE_CHECKING:
    from counterfoil.insights.queries import QueryParameters

From = Annotated[
    datetime | None,
    day_option("First day (UTC) [default: all]", "--from"),
]
To = Annotated[
    datetime | None,
    day_option("Last day (UTC) [default: all]", "--to"),
]
KnownUntil = Annotated[
    datetime | None,
    day_option("Use labels known by this midnight (UTC) [default: all]"),
]

Review = Annotated[float | None, typer.Option(min=0, max=1, help="Threshold of an alert [default: the release's]")]


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def query(
    name: Annotated[str | None, typer.Argument(help="A question's name [default: list them]")] = None,
    since: From = None, until: To = None, known_until: KnownUntil = None,
    release: Annotated[str | None, typer.Option(help="Whose scores [default: the newest run's]")] = None,
    review: Review = None,
    alerts_per_day: Annotated[int, typer.Option(min=1, help="How many alerts people can look at")] = ALERTS_PER_DAY,
    top: Annotated[int, typer.Option(min=1, help="Rows at most, where a question asks for the first")] = 20,
    format: Annotated[Format, typer.Option(help="How to write the answer; CSV is safe to open as a spreadsheet")]
    = Format.TABLE,
    sql: Annotated[bool, typer.Option("--sql", help="Show the query as Athena takes it, and do not run it")] = False,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Ask the lake a named question, or list the questions there are."""
    from counterfoil.cli.show import answers
    from counterfoil.insights import queries
    from counterfoil.insights.defaults import with_defaults

    if name is None:
        answers.show_queries(queries.queries())
        return
    wanted = queries.query(name)
    if sql:
        typer.echo(wanted.athena())
        return
    place = existing_workspace(workspace)
    asked = _parameters(since, until, known_until, release, review, alerts_per_day, top)
    answer = queries.ask(place.tables, name, with_defaults(place, wanted, asked))
    if format is Format.TABLE:
        answers.show_answer(answer, wanted.question)
    else:
        typer.echo(answers.as_csv(answer) if format is Format.CSV else answers.as_json(answer), nl=False)


def report(
    since: Annotated[datetime | None, day_option("First day (UTC) [default: the newest run's first]", "--from")] = None,
    until: Annotated[datetime | None, day_option("Last day (UTC) [default: the newest run's last]", "--to")] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file [default: in the workspace's folder 'reports']")]
    = None,
    known_until: KnownUntil = None,
    release: Annotated[str | None, typer.Option(help="Whose scores [default: the newest run's]")] = None,
    review: Review = None,
    alerts_per_day: Annotated[int, typer.Option(min=1, help="How many alerts people can look at")] = ALERTS_PER_DAY,
    workspace: WorkspaceFolder = None,
) -> None:  # fmt: skip
    """Write the insight report of a period: one HTML file that needs nothing else."""
    from counterfoil.cli.show import terminal
    from counterfoil.domain.tables import TRANSACTIONS
    from counterfoil.insights.defaults import scored_days
    from counterfoil.insights.report import write_report
    from counterfoil.steps.lake.span import require_payments

    place = existing_workspace(workspace)
    if since is None or until is None:
        first, end = scored_days(place)
        since, until = since or _midnight(first), until or _midnight(end) - timedelta(days=1)
    asked = _parameters(since, until, known_until, release, review, alerts_per_day, top=15)
    with terminal.progress("report") as progress:
        progress.begin("asking the lake")
        require_payments(place.tables, TRANSACTIONS, days(since, until))
        path = write_report(place, asked, datetime.now(UTC), out)
    terminal.out.print(f"report in {path}", soft_wrap=True)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)


def _parameters(
    since: datetime | None, until: datetime | None, known_until: datetime | None, release: str | None,
    review: float | None, alerts_per_day: int, top: int,
) -> "QueryParameters":  # fmt: skip
    """The parameters of a query as the options name them; days have both ends included."""
    from dataclasses import replace

    from counterfoil.insights.queries import QueryParameters

    asked = QueryParameters(release=release, review=review, alerts_per_day=alerts_per_day, top=top)
    first = asked.since if since is None else since.date()
    end = asked.until if until is None or until.date() > asked.until else until.date() + timedelta(days=1)
    # Payments younger than the label delay have no label by now: good ones are labelled at once, and frauds later.
    moment = datetime.now(UTC) if known_until is None else known_until.replace(tzinfo=UTC)
    return replace(asked, since=first, until=end, known_until=moment)
