"""The task that scores the stream."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights
from infra.parts.scoring_rights import NAMESPACE
from infra.parts.stream import PaymentStream
from infra.parts.task import Container, Task

BURIED = "record buried"
"""What the watch logs for a record that is no payment (counterfoil.service.watch)."""


class Watch(Construct):
    """`counterfoil watch`: one task is enough to stay level; a second would wait for its leases."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        cluster: ecs.ICluster,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        container: Container,
        payments: PaymentStream,
        granted: list[rights.Rights],
    ) -> None:
        super().__init__(scope, id)
        verbs = ("GetRecords", "GetShardIterator", "ListShards")
        reading = rights.right("ReadStream", [f"kinesis:{verb}" for verb in verbs], [payments.stream.stream_arn])
        self.task = Task(self, "Task", environment, container, [*granted, reading])
        self.buried = f"{environment.prefix}-buried"
        logs.MetricFilter(
            self, "Buried",
            log_group=self.task.log, filter_pattern=logs.FilterPattern.string_value("$.event", "=", BURIED),
            metric_namespace=NAMESPACE, metric_name=self.buried, metric_value="1",
        )  # fmt: skip
        self.service = ecs.FargateService(
            self, "Service",
            service_name=f"{environment.prefix}-watch",
            cluster=cluster, task_definition=self.task.definition,
            vpc_subnets=subnets, security_groups=[group], assign_public_ip=False,
            desired_count=1 if container.is_there else 0,
            # The new one takes the leases when the old one has let go.
            min_healthy_percent=0, max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            enable_ecs_managed_tags=True, propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )  # fmt: skip
