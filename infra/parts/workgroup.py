"""Athena: who asks the lake does so in this workgroup, which limits what a question may cost."""

from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from counterfoil.insights.queries import queries
from counterfoil.insights.standing import standing_text
from infra.environments import Environment

_MOST_BYTES = 100 * 1024**3
"""What one question may read: at Athena's price of 5 USD a TB, half a dollar."""


class Workgroup(Construct):
    """Settings are enforced, results encrypted, questions named after their files."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, database: str, results: s3.IBucket, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        config = athena.CfnWorkGroup
        self.group = athena.CfnWorkGroup(
            self, "Group",
            name=environment.prefix, description="Questions to the lake",
            recursive_delete_option=not environment.keep,
            work_group_configuration=config.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=_MOST_BYTES,
                engine_version=config.EngineVersionProperty(selected_engine_version="Athena engine version 3"),
                result_configuration=config.ResultConfigurationProperty(
                    output_location=f"s3://{results.bucket_name}/athena/",
                    encryption_configuration=config.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )  # fmt: skip
        for query in queries().values():
            question = athena.CfnNamedQuery(
                self, query.name,
                database=database, work_group=environment.prefix, name=query.name,
                description=query.question, query_string=standing_text(query),
            )  # fmt: skip
            question.node.add_dependency(self.group)
