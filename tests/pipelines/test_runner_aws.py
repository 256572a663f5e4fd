"""Pipelines on SageMaker's control plane: moto over HTTP, with the real boto3 and the real SDK."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.errors import NotFoundError, PipelineError, StoreUnavailableError, UsageError
from counterfoil.workspace.settings import PipelineSettings
from pipelines.catalogue import PIPELINES
from pipelines.runner_aws import AwsPipelines, steps_or_note

Grant = Callable[..., None]
GIVEN = {
    "training": {
        "RawUri": "s3://counterfoil-test/raw", "InputVersion": "v1", "Mapping": "ulb-credit-card",
        "TrainUntil": "2026-03-01", "EvaluateFrom": "2026-03-02",
    },
    "detection": {"RawUri": "s3://counterfoil-test/raw", "InputVersion": "v1", "Mapping": "ulb-credit-card"},
}  # fmt: skip


@pytest.fixture
def grant(aws: str) -> Grant:
    """Return a maker of roles that a service may take on."""
    import boto3

    iam = boto3.client("iam", endpoint_url=aws)

    def make(arn: str, service: Any = "sagemaker.amazonaws.com", **statement: Any) -> None:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **statement}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=policy)

    return make


@pytest.fixture
def roles(settings: PipelineSettings, grant: Grant) -> None:
    """Let the account have all roles of the settings."""
    for arn in (settings.role, *settings.step_roles.values()):
        grant(arn)


@pytest.fixture
def sagemaker(aws: str) -> Any:
    """Return boto3's own client."""
    import boto3

    return boto3.client("sagemaker", endpoint_url=aws, region_name="eu-central-1")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("name", PIPELINES)
def test_upsert_creates_then_updates_then_start_and_status(
    name: str, settings: PipelineSettings, sagemaker: Any, definition: Callable[[str], dict[str, Any]]
) -> None:
    older = AwsPipelines(settings.model_copy(update={"image_tag": "0.0.9"}))
    runner = AwsPipelines(settings)
    arn = older.upsert(name)
    assert runner.upsert(name) == arn
    kept = sagemaker.describe_pipeline(PipelineName=f"counterfoil-{name}")
    assert json.loads(kept["PipelineDefinition"]) == definition(name)
    assert kept["RoleArn"] == settings.role
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert tags == settings.tags

    assert runner.status(name) == []
    first, second = (runner.start(name, {**GIVEN[name], "InputVersion": version}) for version in ("v1", "v2"))
    told = runner.status(name)
    assert [execution.execution_id for execution in told] == [second.execution_id, first.execution_id]
    assert {(execution.name, execution.status, execution.failure) for execution in told} == {(name, "Succeeded", None)}
    execution = f"{arn}/execution/{second.execution_id}"
    sent = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)["PipelineParameters"]
    assert {p["Name"]: p["Value"] for p in sent} == {**GIVEN[name], "InputVersion": "v2"}


@pytest.mark.usefixtures("roles")
def test_steps_that_the_endpoint_cannot_tell_are_a_note(settings: PipelineSettings) -> None:
    runner = AwsPipelines(settings)
    runner.upsert("training")
    started = runner.start("training", GIVEN["training"])
    steps, note = steps_or_note(runner, "training", started.execution_id)
    assert steps == []
    assert note is not None
    assert "cannot list the steps" in note
    assert "\n" not in note


def test_a_role_that_is_missing_is_named(settings: PipelineSettings, aws: str) -> None:
    assert aws
    with pytest.raises(PipelineError, match=f"{settings.role} .* does not exist"):
        AwsPipelines(settings).upsert("training")


def test_a_role_of_another_account_is_no_role_here(settings: PipelineSettings, grant: Grant) -> None:
    grant(settings.role)
    elsewhere = settings.model_copy(update={"role": settings.role.replace("123456789012", "999999999999")})
    with pytest.raises(PipelineError, match=r"999999999999.*does not exist in this account"):
        AwsPipelines(elsewhere).upsert("training")


@pytest.mark.parametrize(
    "statement",
    [
        {"service": "lambda.amazonaws.com"},
        {"service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]},
        {"Effect": "Deny"},
        {"Action": "sts:TagSession"},
    ],
)
def test_a_role_that_does_not_trust_sagemaker_is_refused(
    statement: dict[str, Any], settings: PipelineSettings, grant: Grant, sagemaker: Any
) -> None:
    grant(settings.role, **statement)
    with pytest.raises(PipelineError, match=f"{settings.role} .*and not sagemaker.amazonaws.com") as refused:
        AwsPipelines(settings).upsert("training")
    assert "COUNTERFOIL_PIPELINE_ROLE" in str(refused.value)
    assert sagemaker.list_pipelines()["PipelineSummaries"] == []


def test_a_steps_own_role_is_looked_at_too(settings: PipelineSettings, grant: Grant) -> None:
    grant(settings.role)
    grant(settings.step_roles["collect"])
    grant(settings.step_roles["register"], service="ec2.amazonaws.com")
    with pytest.raises(PipelineError, match=r"counterfoil-register.*step register.*lets ec2\.amazonaws\.com"):
        AwsPipelines(settings).upsert("detection")


def test_a_wrong_parameter_is_refused_before_aws_is_asked(settings: PipelineSettings, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="unknown: Epochs; missing: InputVersion"):
        AwsPipelines(settings).start("detection", {"RawUri": "s3://b-1/raw", "Mapping": "m", "Epochs": "3"})


@pytest.mark.usefixtures("aws")
def test_a_pipeline_that_is_not_there_is_not_found(settings: PipelineSettings) -> None:
    runner = AwsPipelines(settings)
    with pytest.raises(NotFoundError, match="counterfoil pipeline upsert"):
        runner.start("training", GIVEN["training"])
    with pytest.raises(NotFoundError, match="counterfoil pipeline upsert"):
        runner.status("training")
    with pytest.raises(NotFoundError, match="training, detection"):
        runner.status("trainig")


@pytest.mark.usefixtures("aws")
def test_without_credentials_the_way_to_log_in_is_told(settings: PipelineSettings, monkeypatch: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreUnavailableError, match="no credentials; log in"):
        AwsPipelines(settings).start("training", GIVEN["training"])


@pytest.mark.usefixtures("aws")
def test_an_unknown_profile_is_told_in_words(settings: PipelineSettings, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        AwsPipelines(settings).upsert("training")


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("AccessDeniedException", PipelineError, "not allowed"),
        ("ExpiredTokenException", StoreUnavailableError, "log in again"),
        ("ThrottlingException", StoreUnavailableError, "try again later"),
        ("ResourceNotFound", NotFoundError, "upsert"),
        ("ResourceLimitExceeded", PipelineError, "ResourceLimitExceeded"),
    ],
)
def test_what_aws_refuses_is_told_in_words(
    code: str, error: type[Exception], words: str, settings: PipelineSettings
) -> None:
    from botocore.exceptions import ClientError

    from pipelines.aws_errors import aws_call

    with pytest.raises(error, match=words), aws_call("start it", settings):
        raise ClientError({"Error": {"Code": code, "Message": "because\nof this"}}, "StartPipelineExecution")
