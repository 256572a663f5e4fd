"""Analyses on SageMaker: moto over HTTP, with the real boto3."""

import json
from typing import Any

import pytest

from counterfoil.adapters.aws.analyses import SageMakerAnalyses
from counterfoil.errors import NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.analyses import AnalysisJob, AnalysisState

PIPELINE = "counterfoil-detection"
REGION = "eu-central-1"
ID = f"a{'1' * 32}"


@pytest.fixture
def runner(bucket: str) -> SageMakerAnalyses:
    import boto3

    s3 = boto3.client("s3")
    for name in ("day/a.csv", "day/_SUCCESS", "day/deeper/b.csv", "day2/c.csv", "other/d.csv"):
        s3.put_object(Bucket=bucket, Key=f"incoming/{name}", Body=b"payment_id\n")
    boto3.client("sagemaker").create_pipeline(
        PipelineName=PIPELINE, PipelineDefinition="{}", ClientRequestToken="t" * 32,
        RoleArn="arn:aws:iam::123456789012:role/pipelines",
    )  # fmt: skip
    return SageMakerAnalyses(f"s3://{bucket}/incoming", PIPELINE, bucket, REGION)


def started(runner: SageMakerAnalyses) -> tuple[str, Any]:
    """A job's handle, and moto's own execution, which knows what was asked for."""
    from moto.sagemaker.models import sagemaker_backends

    handle = runner.start(AnalysisJob(ID, runner.files("day", folder=True), "counterfoil-simulated", "r1"))
    pipelines = sagemaker_backends["123456789012"][REGION].pipelines
    return handle, pipelines[PIPELINE].pipeline_executions[handle]


def test_a_job_is_an_execution_with_its_token_and_its_parameters(runner: SageMakerAnalyses) -> None:
    handle, execution = started(runner)
    assert execution.client_request_token == execution.pipeline_execution_display_name == ID
    assert {one["Name"]: one["Value"] for one in execution.pipeline_parameters} == {
        "RawUri": "s3://lakes/incoming/day/", "InputVersion": ID, "Mapping": "counterfoil-simulated", "Release": "r1",
    }  # fmt: skip
    execution.pipeline_execution_status = "Executing"
    found = runner.look(ID, handle)
    assert (found.state, found.failure, found.results) == (AnalysisState.RUNNING, None, {})
    assert found.steps is None  # moto cannot tell
    assert found.started is not None


def test_one_that_succeeded_says_where_its_scores_are(runner: SageMakerAnalyses, bucket: str) -> None:
    import boto3

    handle, execution = started(runner)
    execution.pipeline_execution_status = "Succeeded"
    without = runner.look(ID, handle)
    report = f"executions/{without.execution}/report/report"
    assert without.results == {"scores": "s3://lakes/lake/scores", "report": f"s3://lakes/{report}"}
    summary = json.dumps({"payments": 3, "alerts": 1})
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{report}/summary.json", Body=summary)
    assert runner.look(ID, handle).results["summary"] == {"payments": 3, "alerts": 1}


def test_one_that_failed_says_so(runner: SageMakerAnalyses) -> None:
    handle, execution = started(runner)
    execution.pipeline_execution_status = "Failed"
    found = runner.look(ID, handle)
    assert found.state is AnalysisState.FAILED
    assert found.failure == "SageMaker says failed and gives no reason"


def test_files_are_those_below_a_prefix_and_their_digest_follows_them(runner: SageMakerAnalyses, bucket: str) -> None:
    import boto3

    day = runner.files("day", folder=True)
    assert day == runner.files("day/", folder=True) == runner.files("s3://lakes/incoming/day", folder=True)
    assert runner.files("day/a.csv", folder=False).uri == "s3://lakes/incoming/day/a.csv"
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="incoming/day2/c.csv", Body=b"changed")
    assert runner.files("day", folder=True) == day  # 'day2' only begins like it
    s3.put_object(Bucket=bucket, Key="incoming/day/a.csv", Body=b"changed")
    assert runner.files("day", folder=True).digest != day.digest
    s3.put_object(Bucket=bucket, Key="incoming/day/a.csv.gz", Body=b"another")
    with pytest.raises(UsageError, match="other files' names begin with this one's"):  # SageMaker would copy both
        runner.files("day/a.csv", folder=False)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s3://other/incoming/day", "outside of what the service may read"),
        ("s3://lakes/incoming2/day", "outside of what the service may read"),
        ("../executions", "outside of what the service may read"),
        ("/day", "outside of what the service may read"),
        ("absent", "no such payment files"),
        ("da", "no such payment files"),
    ],
)
def test_other_places_are_refused(runner: SageMakerAnalyses, name: str, words: str) -> None:
    for folder in (True, False):
        with pytest.raises(UsageError, match=words):
            runner.files(name, folder=folder)


def test_what_is_not_there_is_named(runner: SageMakerAnalyses, bucket: str) -> None:
    job = AnalysisJob(ID, runner.files("day", folder=True), "counterfoil-simulated", "r1")
    with pytest.raises(StoreUnavailableError, match="the pipeline 'absent' is not available"):
        SageMakerAnalyses(f"s3://{bucket}/incoming", "absent", bucket, REGION).start(job)
    with pytest.raises(NotFoundError, match="was not run on SageMaker"):
        runner.look(ID, "workspace")
