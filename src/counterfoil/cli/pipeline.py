"""Commands on pipelines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.options import WorkspaceFolder
from counterfoil.errors import UsageError

if TYPE_CHECKING:
    from counterfoil.workspace.settings import PipelineSettings
    from pipelines.executions import PipelineExecution
    from pipelines.local.events import Event, OnEvent

app = typer.Typer(no_args_is_help=True, help="SageMaker Pipelines: run here, or define, start and watch on AWS.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="training or detection; 'list' shows their parameters")]
Params = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; again for each")
]


@app.command("list")
def list_pipelines() -> None:
    """List the pipelines and their parameters."""
    from counterfoil.workspace.settings import load_pipeline_settings
    from pipelines.catalogue import DESCRIPTIONS, PIPELINES
    from pipelines.parameters import parameters

    settings = load_pipeline_settings()
    for name in PIPELINES:
        typer.echo(f"{name}: {DESCRIPTIONS[name]}")
        for parameter in parameters(name, settings):
            default = "(required)" if parameter.default is None else parameter.default
            typer.echo(f"  {parameter.name:<16} {default:<14} {parameter.meaning}")


@app.command()
def definition(
    name: Name, out: Annotated[Path | None, typer.Option(help="Write it to this file", dir_okay=False)] = None
) -> None:
    """Show the definition that SageMaker gets, as JSON; nothing is asked of AWS."""
    from counterfoil.adapters.folder.whole_files import write_whole
    from counterfoil.workspace.settings import load_pipeline_settings
    from pipelines import catalogue

    text = catalogue.definition(name, load_pipeline_settings())
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_whole(out, text)


@app.command()
def upsert(name: Name) -> None:
    """Create the pipeline on SageMaker, or bring it up to date."""
    from pipelines.runner_aws import AwsPipelines

    typer.echo(AwsPipelines(_aws_settings()).upsert(name))


@app.command()
def start(name: Name, param: Params = None) -> None:
    """Start the pipeline on SageMaker; InputVersion and a release's id are found if they are not given."""
    from counterfoil.workspace.settings import load_settings
    from counterfoil.workspace.wiring import Workspace
    from pipelines.preparation import prepare_start
    from pipelines.runner_aws import AwsPipelines

    settings = _aws_settings()
    place = Workspace(load_settings().model_copy(update={"lake": f"s3://{settings.bucket}/lake"}))
    values = prepare_start(name, _pairs(param), settings, place)
    execution = AwsPipelines(settings).start(name, values)
    typer.echo(f"execution {execution.execution_id} of {name} started")


@app.command()
def status(
    name: Name,
    local: Annotated[bool, typer.Option("--local", help="The executions of 'run' in the workspace")] = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """List the newest executions, and the steps of the newest of all."""
    if local:
        _show(_local_executions(name, workspace))
        return
    from counterfoil.workspace.settings import load_pipeline_settings
    from pipelines.runner_aws import AwsPipelines, steps_or_note

    runner = AwsPipelines(load_pipeline_settings())
    executions = runner.status(name)
    _show(executions)
    if executions:
        steps, note = steps_or_note(runner, name, executions[0].execution_id)
        for step in steps:
            how = f"{step.status}, from the cache" if step.cached else step.status
            typer.echo(f"  {step.step:<10} {how}{_because(step.failure)}")
        if note is not None:
            typer.echo(f"  (no steps: {note})")


@app.command()
def run(
    name: Name,
    param: Params = None,
    explain_cache: Annotated[
        bool, typer.Option("--explain-cache", help="Say why each step was or was not taken from the cache")
    ] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step")] = False,
    execution_file: Annotated[
        Path | None, typer.Option(help="Write the execution's id to this file as it begins", dir_okay=False)
    ] = None,
    workspace: WorkspaceFolder = None,
) -> None:
    """Run the pipeline here: each step its container's own process, no Docker and no AWS."""
    from counterfoil.cli.show.pipeline_tree import show_steps
    from counterfoil.workspace.wiring import open_workspace
    from pipelines.here import output, run_here

    place = open_workspace(workspace)
    with show_steps(name, explain=explain_cache) as on_event:
        heard = on_event if execution_file is None else _noting(on_event, execution_file)
        execution = run_here(name, _pairs(param), place, on_event=heard, use_cache=not no_cache)
    typer.echo(f"execution {execution.execution_id} of {name}: {execution.status}, in {execution.folder}")
    for file, reason in output(execution, place, "publish", "published", "published.json")["failed_files"].items():
        typer.echo(f"could not be collected: {file}: {reason}", err=True)


def _noting(on_event: "OnEvent", file: Path) -> "OnEvent":
    """Events as they were, and the id of an execution that begins in `file`."""
    from counterfoil.adapters.folder.whole_files import write_whole

    def note(event: "Event") -> None:
        if event.kind == "planned":
            write_whole(file, event.detail)
        on_event(event)

    return note


def _aws_settings() -> "PipelineSettings":
    """The settings of the pipelines. Raises UsageError where they are those of the local session."""
    from counterfoil.workspace.settings import PipelineSettings, load_pipeline_settings

    settings = load_pipeline_settings()
    local = [name for name in ("bucket", "registry", "role") if name not in settings.model_fields_set]
    if local:
        names = ", ".join(f"COUNTERFOIL_PIPELINE_{name.upper()}" for name in local)
        meanings = "; ".join(str(PipelineSettings.model_fields[name].description) for name in local)
        raise UsageError(f"set {names} for AWS ({meanings})")
    return settings


def _pairs(param: Sequence[str] | None) -> dict[str, str]:
    """KEY=VALUE texts as a dict. Raises UsageError for one without '=' and for a key that is given twice."""
    pairs: dict[str, str] = {}
    for text in param or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--param {text!r}: give KEY=VALUE")
        if key in pairs:
            raise UsageError(f"--param {key} is given twice: {pairs[key]!r} and {value!r}")
        pairs[key] = value
    return pairs


def _local_executions(name: str, workspace: Path | None) -> "list[PipelineExecution]":
    from counterfoil.workspace.settings import load_pipeline_settings, load_settings
    from pipelines.local.record import as_execution, read_executions
    from pipelines.parameters import parameters

    parameters(name, load_pipeline_settings())
    root = load_settings(workspace).workspace.expanduser().resolve()
    return [as_execution(execution) for execution in read_executions(root / "executions", name)]


def _show(executions: Sequence["PipelineExecution"]) -> None:
    if not executions:
        typer.echo("no executions")
    for execution in executions:
        at = f"{execution.started:%Y-%m-%d %H:%M:%S}" if execution.started else "not started"
        typer.echo(f"{execution.execution_id:<14} {execution.status:<10} {at}{_because(execution.failure)}")


def _because(failure: str | None) -> str:
    return "" if failure is None else f": {failure}"
