"""An environment is removed to the last: versions of objects, logs, snapshots, secrets; and only this environment."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from emulated import Emulated
from synthesised import Synthesised

from counterfoil.errors import UsageError
from infra.deploy import destroy as destroying
from infra.deploy import rest, running
from infra.deploy.place import DeployError, Place
from infra.environments import DEV, PROD

LAKE = "counterfoil-dev-lake-123456789012-eu-west-1"
HELD = {
    "stack", "bucket", "table", "database", "snapshot", "secret", "stream", "queue", "topic", "task definition",
    "log group", "role",
}  # fmt: skip
"""Kinds of things in an environment that moto has; it makes no cluster with CloudFormation that it could delete."""
OTHERS = ("counterfoil-devices-lake", "/counterfoil-devices/scoring")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def place(aws: str, said: list[str]) -> Place:
    """A place in an empty account."""
    assert aws
    return Place(DEV, {}, say=said.append)


def _used(place: Place) -> None:
    """What weeks of work leave beside the stacks; and another environment, whose name only begins alike."""
    s3, logs, ecs = place.client("s3"), place.client("logs"), place.client("ecs")
    # Moto's CloudFormation overlooks this property of a bucket.
    s3.put_bucket_versioning(Bucket=LAKE, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"first", b"second"):
        s3.put_object(Bucket=LAKE, Key="lake/scores/.manifest.json", Body=text)
    s3.delete_object(Bucket=LAKE, Key="lake/scores/.manifest.json")
    container = {"name": "scoring", "image": "counterfoil-scoring@new", "memory": 512}
    for _ in range(12):
        ecs.register_task_definition(family="counterfoil-dev-scoring", containerDefinitions=[container])
    logs.create_log_group(logGroupName="/aws/rds/instance/counterfoil-dev/postgresql")
    place.client("rds").create_db_snapshot(DBSnapshotIdentifier="last", DBInstanceIdentifier="counterfoil-dev")
    place.client("secretsmanager").delete_secret(SecretId="counterfoil-dev/pseudonym-key")
    s3.create_bucket(Bucket=OTHERS[0], CreateBucketConfiguration={"LocationConstraint": DEV.region})
    s3.put_object(Bucket=OTHERS[0], Key="kept", Body=b"kept")
    logs.create_log_group(logGroupName=OTHERS[1])


def test_nothing_is_left_of_an_environment_and_others_are_not_touched(
    place: Place, dev: Synthesised, said: list[str]
) -> None:
    Emulated(place, dev).deploy()
    _used(place)
    assert {one.rpartition(" ")[0] for one in rest.left(place)} == HELD
    destroying.destroy(place)
    assert rest.left(place) == []
    assert [line for line in said if line[0].isdigit()] == [
        "1 what runs", "2 what would keep stacks from going", "3 stacks", "4 what stacks leave"
    ]  # fmt: skip
    assert f"  {LAKE}: 3 versions of objects removed" in said
    assert place.client("s3").list_objects_v2(Bucket=OTHERS[0])["KeyCount"] == 1
    assert [one["logGroupName"] for one in place.client("logs").describe_log_groups()["logGroups"]] == [OTHERS[1]]
    # Images belong to all environments.
    assert len(place.client("ecr").describe_repositories()["repositories"]) == 6


def test_what_could_not_be_removed_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "remove", lambda _: None)
    place.client("logs").create_log_group(logGroupName="/counterfoil-dev/api")
    with pytest.raises(DeployError, match=r"-dev is not gone; there still is:\n  log group /counterfoil-dev/api"):
        destroying.destroy(place)


def test_an_object_that_is_locked_is_named(place: Place) -> None:
    s3 = place.client("s3")
    s3.create_bucket(
        Bucket=LAKE, ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": DEV.region},
    )  # fmt: skip
    s3.put_object(Bucket=LAKE, Key="held", Body=b"x", ObjectLockLegalHoldStatus="ON")
    with pytest.raises(DeployError, match=rf"1 objects of bucket {LAKE} could not be removed, as held \(AccessDenied"):
        destroying.destroy(place)


def test_an_environment_that_keeps_its_data_is_not_destroyed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="environment 'prod' keeps its data: set `keep` to False"):
        destroying.destroy(Place(PROD))
    assert destroying.main(["--environment", "dev", "--confirm", "dev"]) == 2
    assert "--confirm is 'dev': write 'counterfoil-dev', whose data is then lost" in capsys.readouterr().err
    assert destroying.main(["--environment", "prod", "--confirm", "counterfoil-prod"]) == 2


class Stacks:
    """CloudFormation for one stack, whose deletions end as they are told to; None: it is gone."""

    def __init__(self, real: Any, *ends: str | None) -> None:
        self.exceptions, self.ends, self.asked = real.exceptions, list(ends), 0
        self._error = real.exceptions.ClientError({"Error": {"Code": "ValidationError"}}, "DescribeStacks")

    def delete_stack(self, **_: str) -> None:
        self.asked += 1

    def describe_stacks(self, **_: str) -> Mapping[str, Any]:
        end = self.ends.pop(0)
        if end is None:
            raise self._error
        return {"Stacks": [{"StackStatus": end}]}

    def describe_stack_events(self, **_: str) -> Mapping[str, Any]:
        failed = {"ResourceStatus": "DELETE_FAILED", "LogicalResourceId": "Logs", "ResourceStatusReason": "not empty"}
        return {"StackEvents": [{"ResourceStatus": "DELETE_COMPLETE", "LogicalResourceId": "Key"}, failed]}


class Told(Place):
    """A place with one service that does as it is told; the others are moto's."""

    def client(self, service: str) -> Any:
        return self.context.get(service) or super().client(service)


def test_a_stack_whose_bucket_got_a_late_log_is_deleted_again(place: Place) -> None:
    pauses: list[float] = []
    stacks: Any = Stacks(place.client("cloudformation"), "DELETE_IN_PROGRESS", "DELETE_FAILED", None)
    destroying._delete_stack(Told(DEV, {"cloudformation": stacks}, say=lambda _: None), "lake", pauses.append)
    assert stacks.asked == 2
    assert pauses == [15]


def test_a_stack_that_stays_is_told_with_the_reasons(place: Place) -> None:
    stacks: Any = Stacks(place.client("cloudformation"), "DELETE_FAILED", "DELETE_FAILED")
    with pytest.raises(DeployError, match=r"stack lake ended as DELETE_FAILED: Logs: not empty$"):
        destroying._delete_stack(Told(DEV, {"cloudformation": stacks}), "lake", lambda _: None)


class Executions:
    """SageMaker with one running execution of each pipeline, which stops when it is told to."""

    def __init__(self, real: Any) -> None:
        self.exceptions, self.states = real.exceptions, dict[str, str]()

    def get_paginator(self, _: str) -> "Executions":
        return self

    def paginate(self, PipelineName: str) -> Sequence[Mapping[str, Any]]:  # noqa: N803 boto3's word
        running = f"arn:{PipelineName}/execution/running"
        ended = {"PipelineExecutionArn": f"arn:{PipelineName}/execution/old", "PipelineExecutionStatus": "Failed"}
        self.states[running] = "Executing"
        now = {"PipelineExecutionArn": running, "PipelineExecutionStatus": "Executing"}
        return [{"PipelineExecutionSummaries": [ended, now]}]

    def stop_pipeline_execution(self, PipelineExecutionArn: str, ClientRequestToken: str) -> None:  # noqa: N803
        assert len(ClientRequestToken) >= 32
        self.states[PipelineExecutionArn] = "Stopping"

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> Mapping[str, str]:  # noqa: N803
        state = self.states[PipelineExecutionArn]
        self.states[PipelineExecutionArn] = "Stopped"
        return {"PipelineExecutionStatus": state}


def test_running_executions_are_stopped_and_waited_for(place: Place) -> None:
    sagemaker: Any = Executions(place.client("sagemaker"))
    pauses: list[float] = []
    running.stop(Told(DEV, {"sagemaker": sagemaker}, say=lambda _: None), pauses.append)
    assert sagemaker.states == {
        f"arn:counterfoil-dev-{name}/execution/running": "Stopped" for name in ("training", "detection")
    }
    assert pauses == [30, 30]


def test_services_and_tasks_are_stopped(place: Place) -> None:
    ecs = place.client("ecs")
    ecs.create_cluster(clusterName=place.prefix)
    container = {"name": "start", "image": "counterfoil-detector", "memory": 512}
    ecs.register_task_definition(family="counterfoil-dev-start", containerDefinitions=[container])
    ecs.create_service(
        cluster=place.prefix,
        serviceName="counterfoil-dev-scoring",
        taskDefinition="counterfoil-dev-start",
        desiredCount=2,
    )
    ecs.run_task(cluster=place.prefix, taskDefinition="counterfoil-dev-start", launchType="FARGATE")
    running.stop(place)
    [service] = ecs.describe_services(cluster=place.prefix, services=["counterfoil-dev-scoring"])["services"]
    assert service["desiredCount"] == 0
    assert not ecs.list_tasks(cluster=place.prefix, desiredStatus="RUNNING")["taskArns"]
