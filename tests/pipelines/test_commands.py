"""`counterfoil pipeline ...` as people type it."""

import json
from pathlib import Path
from typing import Any

import pytest

from counterfoil.cli import main

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture
def on_aws(aws: str, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return boto3's S3 client of an account that has the roles, the bucket and a raw file."""
    import boto3

    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path))
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"COUNTERFOIL_PIPELINE_{name.upper()}", text)
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    for arn in (settings.role, *settings.step_roles.values()):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        boto3.client("iam").create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=policy)
    s3 = boto3.client("s3", endpoint_url=aws)
    s3.create_bucket(Bucket=settings.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=settings.bucket, Key="raw/a.csv", Body=b"1")
    return s3


def failing(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_list_names_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing("pipeline", "list") == 0
    told = capsys.readouterr().out
    for name in ("training", "detection"):
        assert f"{name}:" in told
    for parameter in ("InputVersion", "EvaluateFrom", "DetectInstances", "GpuInstanceType"):
        assert f"  {parameter} " in told


@pytest.mark.parametrize("name", ["training", "detection"])
@pytest.mark.usefixtures("on_aws")
def test_definition_is_the_snapshot(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = (SNAPSHOTS / f"{name}.json").read_text()
    assert failing("pipeline", "definition", name) == 0
    assert capsys.readouterr() == (kept, "")
    assert failing("pipeline", "definition", name, "--out", str(tmp_path / "d.json")) == 0
    assert (tmp_path / "d.json").read_text() == kept


def test_upsert_start_and_status(on_aws: Any, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert failing("pipeline", "upsert", "training") == 0
    assert failing("pipeline", "status", "training") == 0
    given = {
        "RawUri": f"s3://{settings.bucket}/raw", "Mapping": "ulb-credit-card", "TrainUntil": "2026-03-01",
        "EvaluateFrom": "2026-03-02", "Champion": "-",
    }  # fmt: skip
    options = [part for key, value in given.items() for part in ("--param", f"{key}={value}")]
    assert failing("pipeline", "start", "training", *options) == 0
    assert failing("pipeline", "status", "training") == 0
    arn, none, started, told, note = capsys.readouterr().out.splitlines()
    assert arn == "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/counterfoil-training"
    assert none == "no executions"
    execution = started.split()[1]
    assert told.split()[:2] == [execution, "Succeeded"]
    assert note.startswith("  (no steps: cannot list the steps")

    import boto3

    sent = boto3.client("sagemaker").list_pipeline_parameters_for_execution(
        PipelineExecutionArn=f"{arn}/execution/{execution}"
    )["PipelineParameters"]
    values = {one["Name"]: one["Value"] for one in sent}
    assert len(values.pop("InputVersion")) == 32
    assert values == given
    keys = {item["Key"] for item in on_aws.list_objects_v2(Bucket=settings.bucket, Prefix="lake/")["Contents"]}
    assert keys == {f"lake/{table}/.manifest.json" for table in ("addresses", "forgotten", "labels", "transactions")}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("start", "training", "--param", "RawUri"), 2, "'RawUri': give KEY=VALUE"),
        (("start", "training", "--param", "A=1", "--param", "A=2"), 2, "A is given twice"),
        (("start", "training", "--param", "Epochs=3"), 2, "unknown: Epochs; missing: RawUri, Mapping"),
        (("start", "trainig"), 1, "no pipeline 'trainig'"),
        (("status", "training"), 1, "counterfoil pipeline upsert"),
        (("definition", "trainig"), 1, "there are training, detection"),
    ],
)
@pytest.mark.usefixtures("on_aws")
def test_a_users_mistake_is_told_in_one_line(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing("pipeline", *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("command", ["upsert", "start"])
def test_local_settings_are_not_taken_to_aws(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_PIPELINE_BUCKET", "counterfoil-test")
    assert failing("pipeline", command, "training") == 2
    assert "set COUNTERFOIL_PIPELINE_REGISTRY, COUNTERFOIL_PIPELINE_ROLE for AWS" in capsys.readouterr().err


def test_run_refuses_wrong_parameters_and_a_lake_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERFOIL_PIPELINE_BUCKET", "counterfoil-test")
    monkeypatch.setenv("COUNTERFOIL_PIPELINE_ENVIRONMENT", '{"COUNTERFOIL_LAKE": "s3://counterfoil-test/lake"}')
    assert failing("pipeline", "run", "detection", "-p", "Epochs=3", "-w", str(tmp_path)) == 2
    assert "unknown: Epochs" in capsys.readouterr().err
    monkeypatch.setenv("COUNTERFOIL_LAKE", "s3://counterfoil-test/lake")
    assert failing("pipeline", "run", "detection", "-w", str(tmp_path)) == 2
    assert "COUNTERFOIL_LAKE" in capsys.readouterr().err


def test_local_status_of_a_new_workspace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert failing("pipeline", "status", "training", "--local", "-w", str(tmp_path)) == 0
    assert capsys.readouterr().out == "no executions\n"
    assert failing("pipeline", "status", "trainig", "--local", "-w", str(tmp_path)) == 1
