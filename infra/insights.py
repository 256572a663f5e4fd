"""The stack of insights: the lake's catalogue, Athena, and QuickSight if it is wanted."""

import aws_cdk as cdk
from aws_cdk import Stack
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.parts.catalogue import Catalogue
from infra.parts.quicksight import Dashboards
from infra.parts.workgroup import Workgroup


class Insights(Stack):
    """Tables, workgroup, named queries, data sets."""

    def __init__(
        self, scope: Construct, id: str, deployment: Deployment, lake: Lake, glue_database: str, env: cdk.Environment
    ) -> None:
        super().__init__(scope, id, env=env)
        environment = deployment.environment
        Catalogue(self, "Catalogue", glue_database, lake.buckets.lake.bucket_name)
        workgroup = Workgroup(self, "Workgroup", environment, glue_database, lake.buckets.results, lake.key)
        if deployment.quicksight_user_arn:
            Dashboards(
                self,
                "Dashboards",
                environment.prefix,
                glue_database,
                workgroup.group.name,
                deployment.quicksight_user_arn,
            )
