"""The service from the command line: serve, tokens, profiles."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import ReleaseId, WorkspaceFolder
from counterfoil.errors import UsageError

if TYPE_CHECKING:
    from counterfoil.ports.service import PaymentStream
    from counterfoil.workspace.wiring import Workspace

token_app = typer.Typer(no_args_is_help=True, help="Tokens of the service: new, list, revoke.")
profiles_app = typer.Typer(no_args_is_help=True, help="Profiles: what accounts, merchants and source IPs did.")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port")] = 8080,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let everybody in; on the loopback only")] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Processes that score, one a core [default: $COUNTERFOIL_SERVICE_PROCESSES or 1]"
        ),
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Serve scores over HTTP, with a page to review payments."""
    from counterfoil.service.server import run_server
    from counterfoil.workspace.wiring import open_workspace

    run_server(open_workspace(workspace), host, port, auth=not no_auth, processes=processes)


def watch(
    lines: Annotated[Path | None, typer.Argument(help="A file of JSON lines, or - for standard input")] = None,
    kinesis: Annotated[
        str | None, typer.Option(help="A Kinesis data stream [default: $COUNTERFOIL_PAYMENTS_STREAM]")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more at the end of the file")] = False,
    source_layout: Annotated[
        bool, typer.Option("--source-layout", help="Payments have the columns of the mapping's files")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What checkpoints are kept by [default: the file or stream]")] = None,
    show: Annotated[bool, typer.Option(help="Print each score as a JSON line")] = True,
    workspace: WorkspaceFolder = None,
) -> None:
    """Score payments as they come in a stream; go on where the last watcher of that name ended."""
    from counterfoil.service.watch import told, watch
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace(workspace)
    if lines is None and kinesis is None:
        kinesis = place.settings.payments_stream
    if (lines is None) == (kinesis is None):
        raise UsageError("give a file of JSON lines, or a stream with --kinesis or COUNTERFOIL_PAYMENTS_STREAM")
    name, stream = _stream(place, lines, kinesis, follow, name)
    tell = told if show else lambda _: None
    done = watch(place, name, stream, source_layout=source_layout, tell=tell)
    typer.echo(f"{done.records:,} records: {done.scored:,} scored, {done.buried:,} buried", err=True)


def _stream(
    place: "Workspace", lines: Path | None, kinesis: str | None, follow: bool, name: str | None
) -> "tuple[str, PaymentStream]":
    """What is watched, and the name that its checkpoints are kept by."""
    if kinesis is not None:
        from counterfoil.workspace.streams import shared_kinesis

        name = name or f"kinesis:{kinesis}"
        return name, shared_kinesis(place, kinesis, name)
    from counterfoil.adapters.files.payment_lines import PaymentLines

    assert lines is not None
    where = str(lines) if str(lines) == "-" else str(lines.resolve())
    return name or f"lines:{where}", PaymentLines(lines, follow=follow)


@token_app.command("new")
def token_new(
    role: Annotated[str, typer.Argument(help="score, analyst or operator")],
    name: Annotated[str, typer.Option(help="Whose it is")],
    workspace: WorkspaceFolder = None,
) -> None:
    """Make a token and print it, for the only time."""
    from counterfoil.service.access import new_token
    from counterfoil.workspace.wiring import open_workspace

    typer.echo(new_token(open_workspace(workspace).tokens, role, name))


@token_app.command("list")
def token_list(workspace: WorkspaceFolder = None) -> None:
    """List the tokens: ids, roles and names."""
    from counterfoil.workspace.wiring import open_workspace

    for token in open_workspace(workspace).tokens.tokens():
        state = "revoked" if token.revoked_at else "valid"
        typer.echo(f"{token.token_id}  {token.role:<9} {state:<8} {token.name}")


@token_app.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(help="The token's id, as 'token list' shows it")],
    workspace: WorkspaceFolder = None,
) -> None:
    """Let a token open nothing any more, within seconds."""
    from counterfoil.workspace.wiring import open_workspace

    open_workspace(workspace).tokens.revoke(token)
    typer.echo(f"token {token} is revoked")


@profiles_app.command("build")
def profiles_build(release: ReleaseId = None, workspace: WorkspaceFolder = None) -> None:
    """Fill the profiles from the collected payments, as far back as the release's windows see."""
    from counterfoil.cli.show import terminal
    from counterfoil.steps.releases.registration import load_release
    from counterfoil.steps.releases.releases import resolve
    from counterfoil.steps.scoring.profiles import build_profiles
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace(workspace)
    loaded = load_release(place.registry, resolve(place.registry, release))
    delay = timedelta(days=loaded.label_delay_days)
    with terminal.progress("profiles") as progress:
        done = build_profiles(place.tables, place.profiles, loaded.specs, delay, progress=progress)
    terminal.out.print(f"{done:,} payments are in the profiles")
