"""The contract of a processing container: channels, property files, exit codes and the exit message."""

import json
from pathlib import Path

import pytest
import typer

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.processing.job import Job, main
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

SECRET = "4111 1111 1111 1111"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for /opt/ml."""
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(tmp_path / "ml"))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "ml"


@pytest.fixture
def job(root: Path) -> Job:
    return Job(root, Workspace(Settings(workspace=root.parent / "workspace")))


def _configure(root: Path, name: str, content: object) -> None:
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "config" / name).write_text(json.dumps(content))


def _app(work: object) -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def _root() -> None:
        pass

    app.command("work")(work)  # type: ignore[type-var]
    return app


def _raises(error: BaseException) -> typer.Typer:
    def work() -> None:
        raise error

    return _app(work)


def test_every_declared_channel_gets_an_object(root: Path, job: Job) -> None:
    outputs = [{"OutputName": name, "S3Output": {}} for name in ("scores", "summary")]
    _configure(root, "processingjobconfig.json", {"ProcessingOutputConfig": {"Outputs": outputs}})
    job.write_json("summary", "summary.json", {"rows": 3})
    job.finish("detect")
    found = sorted(path.relative_to(job.outputs).as_posix() for path in job.outputs.rglob("*.json"))
    assert found == ["scores/_done.json", "summary/_done.json", "summary/summary.json"]


def test_an_input_is_known_by_the_place_it_was_carried_from(root: Path, job: Job) -> None:
    assert job.source_uri("raw") == "channel:raw"
    inputs = [{"InputName": "raw", "S3Input": {"S3Uri": "s3://bank/raw/"}}]
    _configure(root, "processingjobconfig.json", {"ProcessingInputs": inputs})
    assert job.source_uri("raw") == "s3://bank/raw"


def test_an_instance_knows_its_place_among_the_hosts(root: Path, job: Job) -> None:
    assert job.shard() == 0
    _configure(root, "resourceconfig.json", {"current_host": "algo-2", "hosts": ["algo-3", "algo-1", "algo-2"]})
    assert job.shard() == 1


def test_a_missing_channel_is_named_with_those_there_are(job: Job) -> None:
    (job.inputs / "raw").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"'evidence'.*raw"):
        job.input("evidence")


def test_a_finished_step_leaves_no_message(root: Path) -> None:
    assert main(_app(lambda: None), ["work"]) == 0
    assert not (root / "output" / "message").exists()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NotFoundError("no release: run train"), 1, "no release: run train"),
        (UsageError("--since: no day"), 2, "--since: no day"),
        (RuntimeError(SECRET), 1, "unexpected RuntimeError: see the log"),
    ],
)
def test_the_reason_of_a_failure_is_left_for_sagemaker(root: Path, error: Exception, code: int, message: str) -> None:
    assert main(_raises(error), ["work"]) == code
    assert (root / "output" / "message").read_text() == message


def test_wrong_arguments_are_wrong_usage(root: Path) -> None:
    assert main(_app(lambda: None), ["work", "--nonsense"]) == 2
    assert "--nonsense" in (root / "output" / "message").read_text()


def test_a_long_reason_is_cut_to_what_sagemaker_keeps(root: Path) -> None:
    assert main(_raises(NotFoundError("x" * 5000)), ["work"]) == 1
    assert len((root / "output" / "message").read_bytes()) == 1024
