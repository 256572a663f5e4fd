"""The stack of the network: where tasks, jobs and the database live, and how they reach AWS."""

import aws_cdk as cdk
from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.environments import ZONES, Environment
from infra.parts.peers import Peers
from infra.parts.removal import removal

TASKS = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
DATA = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
_ENDPOINTS = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "SageMaker": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API,
    "Kinesis": ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    "Sns": ec2.InterfaceVpcEndpointAwsService.SNS,
    "Sts": ec2.InterfaceVpcEndpointAwsService.STS,
}


class Network(Stack):
    """Public subnets hold only NAT; tasks and jobs are private; the database has no way out at all."""

    def __init__(self, scope: Construct, id: str, environment: Environment, env: cdk.Environment) -> None:
        super().__init__(scope, id, env=env)
        kind = ec2.SubnetType
        self.vpc = ec2.Vpc(
            self, "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.20.0.0/16"),
            max_azs=ZONES,
            nat_gateways=environment.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="nat", subnet_type=kind.PUBLIC, cidr_mask=26, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="tasks", subnet_type=kind.PRIVATE_WITH_EGRESS, cidr_mask=20),
                ec2.SubnetConfiguration(name="data", subnet_type=kind.PRIVATE_ISOLATED, cidr_mask=24),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
            flow_logs={"All": self._flow_logs(environment)},
        )  # fmt: skip
        self.peers = Peers(self, "Peers", self.vpc)
        if environment.private_endpoints:
            for name, service in _ENDPOINTS.items():
                self.vpc.add_interface_endpoint(
                    name, service=service, open=False, subnets=TASKS, security_groups=[self.peers.endpoints]
                )
        self.cluster = ecs.Cluster(
            self, "Cluster",
            cluster_name=environment.prefix, vpc=self.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED,
        )  # fmt: skip

    def _flow_logs(self, environment: Environment) -> ec2.FlowLogOptions:
        group = logs.LogGroup(
            self, "FlowLogs", retention=logs.RetentionDays.THREE_MONTHS, removal_policy=removal(environment)
        )
        return ec2.FlowLogOptions(
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group), traffic_type=ec2.FlowLogTrafficType.ALL
        )
