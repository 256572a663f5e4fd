"""The stack of machine learning: roles of the steps, both pipelines, what starts them, and MLflow."""

import aws_cdk as cdk
from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.network import TASKS, Network
from infra.parts.database import STEPS
from infra.parts.errands import ERRANDS, Errands
from infra.parts.pipelines import Pipelines
from infra.parts.scientist import Scientist
from infra.parts.settings import Stores
from infra.parts.step_roles import StepRoles
from infra.parts.tracking import Tracking
from infra.parts.triggers import Triggers
from infra.repositories import Repositories


class Training(Stack):
    """Everything that SageMaker runs. An existing SageMaker domain is an input: one does not delete cleanly."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        network: Network,
        lake: Lake,
        repositories: Repositories,
        env: cdk.Environment,
    ) -> None:
        super().__init__(scope, id, env=env)
        environment = deployment.environment
        self.tracking = Tracking(self, "Tracking", environment, lake.buckets.artefacts, lake.key)
        self.stores = Stores(
            lake.buckets.lake.bucket_name, environment.prefix.replace("-", "_"),
            lake.tables.ledger.table_name, lake.pseudonym_key, self.tracking.arn,
        )  # fmt: skip
        roles = StepRoles(
            self, "StepRoles", environment, network, lake, repositories, self.tracking.arn, self.stores.glue_database
        )
        self.pipelines = Pipelines(
            self, "Pipelines", deployment, lake, roles.by_step,
            network.vpc.select_subnets(subnet_type=TASKS.subnet_type).subnet_ids,
            network.peers.jobs.security_group_id, self.stores.settings(lake.database.place_of[STEPS]),
        )  # fmt: skip
        self.errands = Errands(self, "Errands", deployment, lake, repositories, self.stores, self.pipelines.names)
        self.triggers = Triggers(
            self, "Triggers", environment, network.cluster, TASKS, network.peers.errands,
            self.errands.start, lake.buckets.raw, deployment.mapping, enabled=bool(deployment.detector_digest),
        )  # fmt: skip
        where = {
            "migrate": self.errands.migrate.definition.family,
            "start": self.errands.start.definition.family,
            "subnets": network.vpc.select_subnets(subnet_type=TASKS.subnet_type).subnet_ids,
            "group": network.peers.errands.security_group_id,
        }
        CfnOutput(self, "ErrandsPlace", value=self.to_json_string(where)).override_logical_id(ERRANDS)
        if deployment.sagemaker_domain_id:
            Scientist(self, "Scientist", deployment, lake, self.stores, self.pipelines.names)
