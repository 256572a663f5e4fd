"""What service and watch both may: score a payment with the champion, remember it, alert."""

from aws_cdk import Aws
from aws_cdk import aws_sns as sns

from infra.lake import Lake
from infra.parts import rights
from infra.parts.database import SERVICE
from infra.parts.settings import Stores

RAW_PREFIX = "incoming/"
"""Below it in the bucket of raw files lies what analyses may be started on."""
NAMESPACE = "Counterfoil"
"""Namespace of our own metrics in CloudWatch."""


def scoring_rights(lake: Lake, stores: Stores, alerts: sns.ITopic) -> list[rights.Rights]:
    """Releases, references, profiles, secrets, alerts."""
    place = lake.database.place_of[SERVICE]
    return [
        rights.keep_releases(stores.tracking_arn),
        rights.read_objects(lake.buckets.artefacts, "mlflow/"),
        rights.read_objects(lake.buckets.lake, "lake/"),
        rights.log_in_to_database(lake.database.resource(SERVICE)),
        rights.keep_profiles(lake.tables.profiles),
        rights.claim_files(lake.tables.ledger),
        rights.read_secrets(place.secret_arn, lake.pseudonym_key.secret_arn),
        rights.right("SendAlerts", ["sns:Publish"], [alerts.topic_arn]),
        rights.use_key(lake.key),
    ]


def analysis_rights(lake: Lake, pipeline: str) -> list[rights.Rights]:
    """To start the detection pipeline and tell how it goes. Raw files are listed: the collector alone reads them."""
    home = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:pipeline/{pipeline}"
    verbs = ("DescribePipelineExecution", "ListPipelineExecutionSteps")
    raw, below = lake.buckets.raw, {"StringLike": {"s3:prefix": [f"{RAW_PREFIX}*"]}}
    reports = lake.buckets.lake.arn_for_objects("executions/*/report/report/*")
    return [
        rights.right("StartPipelines", ["sagemaker:StartPipelineExecution"], [home]),
        rights.right("StartPipelines", [f"sagemaker:{verb}" for verb in verbs], [f"{home}/execution/*"]),
        rights.right("ListObjects", ["s3:ListBucket"], [raw.bucket_arn], below),
        rights.right("ReadOutputs", ["s3:GetObject"], [reports]),
    ]
