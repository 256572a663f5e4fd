"""Tasks that run once: setting up the database, and starting a pipeline as a person would."""

from collections.abc import Sequence

from aws_cdk import Aws
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.parts import rights
from infra.parts.database import OWNER, STEPS
from infra.parts.settings import Stores, checked
from infra.parts.task import Container, Task
from infra.repositories import Repositories

ERRANDS = "Errands"
"""The stack's output that says where these tasks run."""


class Errands(Construct):
    """`migrate` sets up schema and users as the database's owner; `start` runs `counterfoil pipeline start`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        lake: Lake,
        repositories: Repositories,
        stores: Stores,
        pipeline_names: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        self.migrate = self._migrate(deployment, lake, repositories)
        self.start = self._start(deployment, lake, repositories, stores, pipeline_names)

    def _migrate(self, deployment: Deployment, lake: Lake, repositories: Repositories) -> Task:
        place, owner = lake.database.place_of[OWNER], lake.database.instance.secret
        assert owner is not None
        settings = checked({"database_url_secret": place.secret_arn, "database_ca": "/opt/counterfoil/rds-ca.pem"})
        container = Container(
            "migrate", repositories.by_image["migration"], deployment.migration_digest,
            {**settings, "COUNTERFOIL_MIGRATION_OWNER_SECRET": owner.secret_arn},
            cpu=256, memory_mb=512,
        )  # fmt: skip
        granted = [rights.read_secrets(place.secret_arn, owner.secret_arn), rights.use_key(lake.key, write=False)]
        return Task(self, "Migrate", deployment.environment, container, granted)

    def _start(
        self,
        deployment: Deployment,
        lake: Lake,
        repositories: Repositories,
        stores: Stores,
        pipeline_names: Sequence[str],
    ) -> Task:
        home = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:pipeline"
        container = Container(
            "start", repositories.by_image["detector"], deployment.detector_digest,
            {
                **stores.settings(lake.database.place_of[STEPS]), **stores.lake,
                "COUNTERFOIL_PIPELINE_BUCKET": lake.buckets.lake.bucket_name,
                "COUNTERFOIL_PIPELINE_REGION": deployment.environment.region,
                "COUNTERFOIL_PIPELINE_NAME_PREFIX": deployment.environment.prefix,
            },
            # What is run is written where it is triggered; an override cannot change an entry point.
            entry_point=["/bin/sh", "-c"], command=["exec counterfoil pipeline list"],
            cpu=1024, memory_mb=4096,
        )  # fmt: skip
        granted = [
            rights.right(
                "StartPipelines", ["sagemaker:StartPipelineExecution"], [f"{home}/{name}" for name in pipeline_names]
            ),
            rights.read_objects(lake.buckets.raw, "incoming/"),
            rights.keep_objects(lake.buckets.lake, "lake/"),
            rights.keep_releases(stores.tracking_arn),
            rights.read_secrets(lake.pseudonym_key.secret_arn, lake.database.place_of[STEPS].secret_arn),
            rights.log_in_to_database(lake.database.resource(STEPS)),
            rights.use_key(lake.key),
        ]
        return Task(self, "Start", deployment.environment, container, granted)
