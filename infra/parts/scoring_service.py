"""The service that scores single payments: tasks behind Cloud Map, as many as the load asks for."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights
from infra.parts.peers import SERVICE_PORT
from infra.parts.task import Container, Task

HEALTH = (
    "python", "-c",
    f"import urllib.request as r; r.urlopen('http://127.0.0.1:{SERVICE_PORT}/healthz', timeout=4)",
)  # fmt: skip
_BUSY_PERCENT = 55
"""Processor load that is aimed at: scoring is computing, and a burst must fit into what is left."""


class ScoringService(Construct):
    """No task before there is an image; a deployment whose tasks do not become healthy goes back by itself."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        cluster: ecs.ICluster,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        container: Container,
        granted: Sequence[rights.Rights],
    ) -> None:
        super().__init__(scope, id)
        self.task = Task(self, "Task", environment, container, granted)
        namespace = discovery.PrivateDnsNamespace(
            self, "Namespace", name=f"{environment.prefix}.internal", vpc=cluster.vpc, description="Tasks by name"
        )
        self.service = ecs.FargateService(
            self, "Service",
            service_name=f"{environment.prefix}-scoring",
            cluster=cluster, task_definition=self.task.definition,
            vpc_subnets=subnets, security_groups=[group], assign_public_ip=False,
            desired_count=environment.tasks_least if container.is_there else 0,
            min_healthy_percent=100, max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            enable_ecs_managed_tags=True, propagate_tags=ecs.PropagatedTagSource.SERVICE,
            # SRV: API Gateway learns the port as well as the address.
            cloud_map_options=ecs.CloudMapOptions(
                name="scoring", cloud_map_namespace=namespace, dns_record_type=discovery.DnsRecordType.SRV,
                container=self.task.definition.default_container, container_port=SERVICE_PORT,
                dns_ttl=Duration.seconds(10),
            ),
        )  # fmt: skip
        if container.is_there:
            scaling = self.service.auto_scale_task_count(
                min_capacity=environment.tasks_least, max_capacity=environment.tasks_most
            )
            scaling.scale_on_cpu_utilization(
                "Processor", target_utilization_percent=_BUSY_PERCENT,
                scale_out_cooldown=Duration.seconds(30), scale_in_cooldown=Duration.minutes(5),
            )  # fmt: skip

    @property
    def address(self) -> discovery.IService:
        """The service in Cloud Map."""
        found = self.service.cloud_map_service
        assert found is not None
        return found
