"""The command line: parse, wire, call, show. Heavy libraries are imported where they are used."""

import errno
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from counterfoil import __version__
from counterfoil.cli import (
    cases,
    insights,
    intake,
    labels,
    operations,
    parity,
    pipeline,
    policy,
    privacy,
    references,
    release,
    scoring,
    serve,
    shadow,
    thresholds,
    training,
    what_if,
)
from counterfoil.cores import settle_threads
from counterfoil.errors import CounterfoilError, UsageError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's boxes would make up half of the time of --help
    context_settings={"max_content_width": 160},
    help="Fraud and anomaly detection in payments: every score names its precedents.",
)
app.add_typer(intake.mapping_app, name="mapping")
app.add_typer(release.app, name="release")
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(policy.app, name="policy")
app.add_typer(cases.app, name="cases")
app.add_typer(references.app, name="references")
app.add_typer(serve.token_app, name="token")
app.add_typer(serve.profiles_app, name="profiles")
app.command()(intake.collect)
app.command()(intake.curate)
app.command()(training.features)
app.command()(training.train)
app.command()(scoring.score)
app.command()(scoring.evaluate)
app.command()(training.backtest)
app.command()(intake.simulate)
app.command()(training.demo)
app.command("what-if")(what_if.what_if)
app.command("replay-score")(release.replay_score)
app.command()(thresholds.thresholds)
app.command()(insights.query)
app.command()(insights.report)
app.command()(labels.labels)
app.command()(operations.status)
app.command()(operations.recollect)
app.command("replay", hidden=True)(operations.recollect)  # what `recollect` was called before
app.command()(serve.serve)
app.command()(serve.watch)
app.command()(shadow.shadow)
app.command()(parity.parity)
app.command()(privacy.forget)
app.command()(privacy.rotate_key)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the CLI. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C."""
    settle_threads()
    try:
        app(args=arguments)
    except UsageError as error:
        complain(error)
        sys.exit(2)
    except (CounterfoilError, OSError) as error:
        complain(error)
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    pass


def complain(error: Exception) -> None:
    """Print a failure on standard error."""
    text = str(error)
    # What shutil copied has no number of its own: its text lists each file's error.
    listed = isinstance(error, shutil.Error) and any(os.strerror(number) in text for number in _DISK_FULL)
    if listed or (isinstance(error, OSError) and error.errno in _DISK_FULL):
        reason = " ".join(text.split())
        text = f"the disk is full ({reason}): make room, then run this again; existing files are unchanged"
    print(f"counterfoil: {text}", file=sys.stderr)  # noqa: T201 the CLI's own voice


if __name__ == "__main__":
    main()
