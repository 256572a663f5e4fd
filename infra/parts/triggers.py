"""What starts the pipelines: a batch that is complete, and the clock."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights
from infra.parts.acknowledged import DEAD_LETTERS, acknowledge
from infra.parts.task import Task

MARKER = "/_SUCCESS"
"""The empty object that a sender writes last: its folder is then complete."""
_DETECT = 'exec counterfoil pipeline start detection -p RawUri="s3://$BUCKET/{folder}" -p Mapping="$MAPPING"'
_TRAIN = (
    'exec counterfoil pipeline start training -p RawUri="s3://$BUCKET/incoming/$(date -u -d yesterday +%F)" '
    '-p Mapping="$MAPPING" -p TrainUntil="$(date -u -d -22days +%F)" -p EvaluateFrom="$(date -u -d -14days +%F)" '
    '-p EvaluateUntil="$(date -u -d -8days +%F)"'
)
"""A week to judge on, whose labels a delay of seven days has ripened; and that delay again before it."""


class Triggers(Construct):
    """Rules of EventBridge that run `counterfoil pipeline start` in a task.

    The command finds what SageMaker's own start could not: the id behind `champion`, the digest that pins the step
    cache, and manifests for tables that are not there yet. What cannot be started is kept in a queue.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        cluster: ecs.ICluster,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        start: Task,
        raw: s3.IBucket,
        mapping: str,
        *,
        enabled: bool,
    ) -> None:
        super().__init__(scope, id)
        self._cluster, self._subnets, self._group, self._start, self._enabled = cluster, subnets, group, start, enabled
        self._environment = {"BUCKET": raw.bucket_name, "MAPPING": mapping}
        self.missed = sqs.Queue(
            self, "Missed",
            queue_name=f"{environment.prefix}-missed-starts",
            encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True, retention_period=Duration.days(14),
        )  # fmt: skip
        acknowledge(self.missed, "AwsSolutions-SQS3", DEAD_LETTERS)
        self._role = self._runner(environment, start)
        arrived = events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={"bucket": {"name": [raw.bucket_name]}, "object": {"key": [{"wildcard": f"incoming/*{MARKER}"}]}},
        )
        key = events.EventField.from_path("$.detail.object.key")
        self._rule("Arrival", _DETECT.format(folder="${KEY%/*}"), {"KEY": key}, pattern=arrived)
        nightly = events.Schedule.cron(hour="3", minute="0")
        folder = "incoming/$(date -u -d yesterday +%F)"
        self._rule("Nightly", _DETECT.format(folder=folder), {}, schedule=nightly)
        self._rule("Weekly", _TRAIN, {}, schedule=events.Schedule.cron(week_day="MON", hour="5", minute="0"))

    def _rule(
        self,
        id: str,
        command: str,
        environment: Mapping[str, str],
        *,
        pattern: events.EventPattern | None = None,
        schedule: events.Schedule | None = None,
    ) -> None:
        variables = {**self._environment, **environment}
        override = targets.ContainerOverride(
            container_name="start",
            command=[command],
            environment=[targets.TaskEnvironmentVariable(name=name, value=value) for name, value in variables.items()],
        )
        target = targets.EcsTask(
            cluster=self._cluster, task_definition=self._start.definition, role=self._role,
            subnet_selection=self._subnets, security_groups=[self._group],
            container_overrides=[override], dead_letter_queue=self.missed, retry_attempts=8,
        )  # fmt: skip
        events.Rule(
            self, id, event_pattern=pattern, schedule=schedule, enabled=self._enabled, targets=[target],
            description=f"{id}: start a pipeline",
        )  # fmt: skip

    def _runner(self, environment: Environment, start: Task) -> iam.IRole:
        role = iam.Role(
            self, "Role",
            role_name=f"{environment.prefix}-triggers",
            description="EventBridge, to run the task that starts a pipeline",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
        )  # fmt: skip
        definition = start.definition
        executor = definition.execution_role
        assert executor is not None
        only = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        on = {"ArnEquals": {"ecs:cluster": self._cluster.cluster_arn}}
        rights.grant(
            role,
            rights.right("RunErrands", ["ecs:RunTask"], [definition.task_definition_arn], on),
            rights.right("PassRoles", ["iam:PassRole"], [definition.task_role.role_arn, executor.role_arn], only),
        )
        return role.without_policy_updates()
