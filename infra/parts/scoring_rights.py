"""What service and watch both may: score a payment with the champion, remember it, alert."""

from aws_cdk import aws_sns as sns

from infra.lake import Lake
from infra.parts import rights
from infra.parts.database import SERVICE
from infra.parts.settings import Stores

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
