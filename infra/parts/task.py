"""A container on Fargate that keeps to itself: no root, nothing writable but one folder, its own role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights
from infra.parts.acknowledged import acknowledge
from infra.parts.removal import removal
from infra.parts.settings import WORK

USER = "10001:10001"
"""The user of the images (containers/*/Dockerfile): a number, so that ECS can see that it is not root."""
NO_DIGEST = f"sha256:{'0' * 64}"
"""In a task definition that no task runs from: there is no image yet."""


@dataclass(frozen=True)
class Container:
    """What a task runs. `digest` is the image by content, '' if there is none yet; cpu in 1/1024 cores."""

    name: str
    repository: ecr.IRepository
    digest: str
    environment: Mapping[str, str]
    entry_point: Sequence[str] | None = None
    command: Sequence[str] | None = None
    cpu: int = 1024
    memory_mb: int = 2048
    port: int | None = None
    health: Sequence[str] | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is an image to run."""
        return bool(self.digest)


class Task(Construct):
    """A task definition with one container, its log, and a role with exactly `granted`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        container: Container,
        granted: Sequence[rights.Rights],
    ) -> None:
        super().__init__(scope, id)
        self.role = self._role("Role", f"{environment.prefix}-{container.name}", f"What {container.name} itself may do")
        rights.grant(self.role, *granted)
        launcher = self._role(
            "Launch", f"{environment.prefix}-{container.name}-launch", f"ECS, to launch {container.name}"
        )
        self.log = logs.LogGroup(
            self, "Log",
            log_group_name=f"/{environment.prefix}/{container.name}", retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal(environment),
        )  # fmt: skip
        rights.grant(
            launcher,
            rights.pull_image(container.repository.repository_arn),
            rights.right("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [self.log.log_group_arn]),
        )
        self.definition = ecs.FargateTaskDefinition(
            self, "Definition",
            family=f"{environment.prefix}-{container.name}",
            cpu=container.cpu, memory_limit_mib=container.memory_mb,
            task_role=self.role, execution_role=launcher.without_policy_updates(),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            volumes=[ecs.Volume(name="work")],
        )  # fmt: skip
        self._add(container)
        acknowledge(
            self, "AwsSolutions-ECS2",
            "the variables are names and addresses of stores; secrets are read from Secrets Manager by the container",
        )  # fmt: skip

    def _role(self, id: str, name: str, description: str) -> iam.Role:
        service = iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        return iam.Role(self, id, role_name=name, description=description, assumed_by=service)

    def _add(self, container: Container) -> None:
        added = self.definition.add_container(
            container.name,
            container_name=container.name,
            image=ecs.ContainerImage.from_ecr_repository(container.repository, container.digest or NO_DIGEST),
            entry_point=None if container.entry_point is None else list(container.entry_point),
            command=None if container.command is None else list(container.command),
            environment=dict(container.environment),
            user=USER, readonly_root_filesystem=True, privileged=False,
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
            logging=ecs.LogDrivers.aws_logs(
                stream_prefix=container.name, log_group=self.log, mode=ecs.AwsLogDriverMode.NON_BLOCKING
            ),
            port_mappings=[ecs.PortMapping(container_port=container.port)] if container.port else None,
            health_check=None if container.health is None else ecs.HealthCheck(
                command=["CMD", *container.health], interval=Duration.seconds(10), timeout=Duration.seconds(5),
                retries=3, start_period=Duration.seconds(120),
            ),
            # What is being scored is finished; Fargate waits up to this long.
            stop_timeout=Duration.seconds(60),
        )  # fmt: skip
        added.add_mount_points(ecs.MountPoint(container_path=WORK, source_volume="work", read_only=False))
