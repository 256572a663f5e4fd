"""The stack of streams and alerts: payments as they happen, the task that scores them, and who hears of trouble."""

import aws_cdk as cdk
from aws_cdk import Stack
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.network import TASKS, Network
from infra.parts.alarms import Alarms, Watchables
from infra.parts.dashboard import Dashboard
from infra.parts.database import SERVICE
from infra.parts.scoring_rights import scoring_rights
from infra.parts.settings import of_service
from infra.parts.stream import PaymentStream
from infra.parts.task import Container
from infra.parts.watch import Watch
from infra.repositories import Repositories
from infra.scoring import Scoring
from infra.training import Training


class Streams(Stack):
    """Stream, watch, alarms, dashboard."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        network: Network,
        lake: Lake,
        repositories: Repositories,
        training: Training,
        scoring: Scoring,
        env: cdk.Environment,
    ) -> None:
        super().__init__(scope, id, env=env)
        environment, stores = deployment.environment, training.stores
        payments = PaymentStream(self, "Payments", environment, lake.key)
        own = of_service(
            profile_table=lake.tables.profiles.table_name, alerts_topic=scoring.alerts.payments.topic_arn,
            payments_stream=payments.stream.stream_name,
        )  # fmt: skip
        container = Container(
            "watch", repositories.by_image["scoring"], deployment.scoring_digest if deployment.watch else "",
            {**stores.settings(lake.database.place_of[SERVICE]), **stores.lake, **own},
            entry_point=["counterfoil"], command=["watch", "--no-show"],  # its log is no place for scores of payments
            cpu=environment.task_cpu, memory_mb=environment.task_memory_mb,
        )  # fmt: skip
        self.watch = Watch(
            self, "Watch", environment, network.cluster, TASKS, network.peers.watch, container, payments,
            scoring_rights(lake, stores, scoring.alerts.payments),
        )  # fmt: skip
        names = Watchables(
            api_id=scoring.api.api.api_id,
            cluster=network.cluster.cluster_name,
            scoring=scoring.service.service.service_name,
            watch=self.watch.service.service_name,
            stream=payments.stream.stream_name,
            buried=self.watch.buried,
            missed=training.triggers.missed.queue_name,
            database=lake.database.instance.instance_identifier,
            canary=environment.prefix,
            metrics=environment.prefix,
        )
        alarms = Alarms(
            self, "Alarms", environment.prefix, names, scoring.alerts.system, streams=bool(deployment.watch)
        )
        Dashboard(self, "Dashboard", environment.prefix, alarms.by_name)
