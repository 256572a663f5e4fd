"""One definition, executed unchanged twice: by the SDK on SageMaker's API (moto), and by our local session.

The SDK's executor asks boto3 for each job. Here each job is a process, which writes down what it was told. Steps,
their order, arguments, channels and environment must be the same; only ids and names of jobs differ.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from counterfoil.workspace.settings import PipelineSettings
from pipelines.catalogue import LAKE_TABLES, build
from pipelines.local.jobs import Machine
from pipelines.local.key import Code
from pipelines.local.run import run_pipeline
from pipelines.telemetry import offline_session

LOCAL = PipelineSettings()
SOURCE = {"RawUri": "s3://counterfoil-local/raw", "InputVersion": "v1", "Mapping": "ulb-credit-card"}
TRAINING = {**SOURCE, "TrainUntil": "2026-03-01", "EvaluateFrom": "2026-03-02", "Champion": "r1"}
DETECTION = {**SOURCE, "Release": "r1", "DetectInstances": "2"}
EXECUTION = "EXECUTION"

WRITES_DOWN = """
import json, os, sys
from pathlib import Path

root = Path(os.environ["COUNTERFOIL_ML_ROOT"])
told = json.loads((root / "config" / "processingjobconfig.json").read_text())
host = json.loads((root / "config" / "resourceconfig.json").read_text())["current_host"]
for output in told["ProcessingOutputConfig"]["Outputs"]:
    folder = root / output["S3Output"]["LocalPath"].removeprefix("/opt/ml/")
    (folder / "_done.json").write_text("{}")
    (folder / "verdict.json").write_text(os.environ["COUNTERFOIL_TEST_VERDICT"])
    for place in ("features/transactions", "features/labels", "detect/transactions"):
        if output["OutputName"] == "history":
            keys = [{"prefix": f"s3://counterfoil-local/lake/{place.partition('/')[2]}/"}, ".manifest.json"]
            (folder / place).mkdir(parents=True)
            (folder / place / "keys.json").write_text(json.dumps(keys))
if host.endswith("-1"):
    with open(os.environ["COUNTERFOIL_TEST_SEEN"], "a") as seen:
        seen.write(json.dumps({"argv": sys.argv[1:], "told": told}) + "\\n")
"""


class MotoClient:
    """What the SDK's executor asks of a client, answered by boto3 over HTTP."""

    def __init__(self, boto: Any) -> None:
        self._boto = boto
        self.sent: list[dict[str, Any]] = []

    def create_processing_job(self, job_name: str, **arguments: Any) -> None:
        self._boto.create_processing_job(ProcessingJobName=job_name, **arguments)
        kept = self._boto.describe_processing_job(ProcessingJobName=job_name)
        for part in ("AppSpecification", "ProcessingInputs", "ProcessingOutputConfig", "RoleArn"):
            assert kept[part] == arguments[part]
        self.sent.append(arguments)

    def describe_processing_job(self, job_name: str) -> Any:
        return self._boto.describe_processing_job(ProcessingJobName=job_name)


class MotoSession:
    """What the SDK's executor asks of a session."""

    def __init__(self, aws: str) -> None:
        import boto3

        self.sagemaker_client = MotoClient(boto3.client("sagemaker", endpoint_url=aws))
        self.s3 = boto3.client("s3", endpoint_url=aws)

    def read_s3_file(self, bucket: str, key: str) -> str:
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def by_the_sdk(name: str, given: Mapping[str, str], verdict: str, aws: str) -> tuple[str, str, list[dict[str, Any]]]:
    """Status, reason and requests of an execution of the SDK's own executor on moto."""
    pipeline = build(name, LOCAL, offline_session(LOCAL))
    from sagemaker.mlops.local.pipeline import LocalPipelineExecutor
    from sagemaker.mlops.local.pipeline_entities import _LocalPipelineExecution

    session = MotoSession(aws)
    session.s3.create_bucket(
        Bucket="counterfoil-local", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    key = f"executions/{EXECUTION}/gate/verdict/verdict.json"
    session.s3.put_object(Bucket="counterfoil-local", Key=key, Body=verdict.encode())
    integers = {"DetectInstances"}
    values = {key: int(value) if key in integers else value for key, value in given.items()}
    execution = _LocalPipelineExecution(EXECUTION, pipeline, PipelineParameters=values, local_session=session)
    LocalPipelineExecutor(execution, session).execute()
    return execution.status, execution.failure_reason or "", session.sagemaker_client.sent


def by_us(name: str, given: Mapping[str, str], verdict: str, folder: Path) -> tuple[str, str, list[dict[str, Any]]]:
    """Status, reason and what the jobs' processes were told, in an execution here."""
    for container in ("collector", "curation", "detector"):
        (folder / "containers" / container).mkdir(parents=True)
        (folder / "containers" / container / "main.py").write_text(WRITES_DOWN)
    workspace = folder / "workspace"
    for path in ("raw/a.csv", *(f"lake/{table}/.manifest.json" for table in LAKE_TABLES)):
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace / path).write_text("{}")
    seen = folder / "seen.jsonl"
    execution = run_pipeline(
        lambda pipeline: build(pipeline, LOCAL, offline_session(LOCAL)), name, workspace, given,
        environment={"COUNTERFOIL_TEST_SEEN": str(seen), "COUNTERFOIL_TEST_VERDICT": verdict},
        machine=Machine(code=Code(folder / "containers", {}), use_cache=False),
    )  # fmt: skip
    told = [json.loads(line.replace(execution.execution_id, EXECUTION)) for line in seen.read_text().splitlines()]
    for one in told:
        assert one["argv"] == one["told"]["AppSpecification"]["ContainerArguments"]
    return execution.status, execution.reason or "", [one["told"] for one in told]


def comparable(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a job is told, without what a request need not say."""
    parts = ("AppSpecification", "Environment", "RoleArn", "StoppingCondition")
    cluster = {
        key: value for key, value in request["ProcessingResources"]["ClusterConfig"].items() if value is not None
    }
    return {
        **{part: request[part] for part in parts},
        "cluster": cluster,
        "inputs": [_channel(item, "InputName", "S3Input") for item in request["ProcessingInputs"]],
        "outputs": [_channel(item, "OutputName", "S3Output") for item in request["ProcessingOutputConfig"]["Outputs"]],
    }


def _channel(item: Mapping[str, Any], name: str, place: str) -> tuple[str, Any]:
    return item[name], item[place]


def by_step(requests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    steps = {request["AppSpecification"]["ContainerArguments"][0]: comparable(request) for request in requests}
    assert len(steps) == len(requests)  # none ran twice
    return steps


@pytest.mark.parametrize(
    ("name", "given", "steps"),
    [
        ("training", TRAINING, "collect curate evaluate features gate publish register train"),
        ("detection", DETECTION, "collect curate detect features insights publish report"),
    ],
)
def test_the_sdk_on_moto_and_we_run_the_same_steps(
    name: str, given: dict[str, str], steps: str, aws: str, tmp_path: Path
) -> None:
    verdict = json.dumps({"passed": True, "reasons": [], "summary": "all rules held"})
    status, _, sent = by_the_sdk(name, given, verdict, aws)
    our_status, _, told = by_us(name, given, verdict, tmp_path)
    ours, theirs = by_step(told), by_step(sent)
    assert ours == theirs
    assert sorted(ours) == steps.split()
    assert (status, our_status) == ("Succeeded", "Succeeded")
    if name == "detection":
        assert ours["detect"]["cluster"]["InstanceCount"] == 2


def test_both_fail_with_the_gates_figures_and_register_nothing(aws: str, tmp_path: Path) -> None:
    summary = "AUC 0.61 is less than 0.8"
    verdict = json.dumps({"passed": False, "reasons": [], "summary": summary})
    status, reason, sent = by_the_sdk("training", TRAINING, verdict, aws)
    our_status, our_reason, told = by_us("training", TRAINING, verdict, tmp_path)
    ours, theirs = by_step(told), by_step(sent)
    # The first failure ends an execution. What does not wait for the gate comes before it in our order, after it in
    # the SDK's.
    assert set(ours) - set(theirs) <= {"curate", "publish"}
    assert {step: ours[step] for step in theirs} == theirs
    assert "gate" in theirs
    assert "register" not in ours
    assert "register" not in theirs
    assert (status, our_status) == ("Failed", "Failed")
    assert summary in reason
    assert summary in our_reason
