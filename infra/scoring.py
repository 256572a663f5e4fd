"""The stack of the service: one payment in, its score out."""

import aws_cdk as cdk
from aws_cdk import Stack
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.network import TASKS, Network
from infra.parts.alerts import Alerts
from infra.parts.api import Api
from infra.parts.canary import Canary
from infra.parts.database import SERVICE
from infra.parts.peers import SERVICE_PORT
from infra.parts.scoring_rights import RAW_PREFIX, analysis_rights, scoring_rights
from infra.parts.scoring_service import HEALTH, ScoringService
from infra.parts.settings import Stores, of_service
from infra.parts.task import Container
from infra.repositories import Repositories


class Scoring(Stack):
    """Service, public address and canary."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        network: Network,
        lake: Lake,
        repositories: Repositories,
        stores: Stores,
        env: cdk.Environment,
    ) -> None:
        super().__init__(scope, id, env=env)
        environment = deployment.environment
        self.alerts = Alerts(self, "Alerts", deployment, lake.key)
        own = of_service(
            profile_table=lake.tables.profiles.table_name, alerts_topic=self.alerts.payments.topic_arn,
            metrics_namespace=environment.prefix, trusted_gateway="true", analyses_from=f"s3://{lake.buckets.raw.bucket_name}/{RAW_PREFIX.rstrip('/')}",
        )  # fmt: skip
        pipelines = {
            "COUNTERFOIL_PIPELINE_BUCKET": lake.buckets.lake.bucket_name,
            "COUNTERFOIL_PIPELINE_REGION": environment.region,
            "COUNTERFOIL_PIPELINE_NAME_PREFIX": environment.prefix,
        }
        container = Container(
            "scoring", repositories.by_image["scoring"], deployment.scoring_digest,
            {**stores.settings(lake.database.place_of[SERVICE]), **stores.lake, **own, **pipelines},
            cpu=environment.task_cpu, memory_mb=environment.task_memory_mb, port=SERVICE_PORT, health=HEALTH,
        )  # fmt: skip
        self.service = ScoringService(
            self, "Service", environment, network.cluster, TASKS, network.peers.service, container,
            [
                *scoring_rights(lake, stores, self.alerts.payments),
                *analysis_rights(lake, f"{environment.prefix}-detection"),
            ],
        )  # fmt: skip
        self.api = Api(self, "Api", deployment, network.vpc, TASKS, network.peers.gateway, self.service.address)
        Canary(self, "Canary", environment, self.api.host, lake.buckets.results, lake.key, on=container.is_there)
