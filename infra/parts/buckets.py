"""The buckets: raw files, lake, results, artefacts, and the log of who reads them."""

from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.environments import Environment
from infra.parts.acknowledged import acknowledge
from infra.parts.removal import removal

REMOVED_DAYS = 7
"""How long a replaced or removed object stays: what `forget` removes must be gone soon, and a mistake be mendable."""
LOG_DAYS = 400


class Buckets(Construct):
    """Private, encrypted with our key, reached by TLS only, versioned, their reads logged."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment, self._key = environment, key
        # S3 delivers access logs only to a bucket with its own encryption.
        self.logs = s3.Bucket(
            self, "Logs",
            **self._held("logs"),
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(LOG_DAYS))],
        )  # fmt: skip
        acknowledge(self.logs, "AwsSolutions-S1", "this bucket holds the access logs; logging it to itself has no end")
        raw = self._bucket("raw", rules=[_expire(environment.raw_days, "incoming/")])
        _tell_event_bridge(raw)
        self._bucket("lake", rules=[_expire(environment.executions_days, "executions/")])
        self._bucket("results", rules=[_expire(90, "athena/"), _expire(30, "canary/")])
        self._bucket("artefacts")
        self.raw, self.lake, self.results, self.artefacts = map(self._named, ("raw", "lake", "results", "artefacts"))

    def _name(self, purpose: str) -> str:
        return f"{self._environment.prefix}-{purpose}-{Aws.ACCOUNT_ID}-{Aws.REGION}"

    def _named(self, purpose: str) -> s3.IBucket:
        """The bucket for other stacks, by its name: an export could not be changed while one of them reads it."""
        return s3.Bucket.from_bucket_name(self, f"{purpose.capitalize()}Named", self._name(purpose))

    def _held(self, purpose: str) -> dict[str, Any]:
        return {
            "bucket_name": self._name(purpose),
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            "enforce_ssl": True,
            "minimum_tls_version": 1.2,
            "removal_policy": removal(self._environment),
        }

    def _bucket(self, purpose: str, *, rules: list[s3.LifecycleRule] | None = None) -> s3.Bucket:
        return s3.Bucket(
            self, purpose.capitalize(),
            **self._held(purpose),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            versioned=True,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"{purpose}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(REMOVED_DAYS),
                    abort_incomplete_multipart_upload_after=Duration.days(REMOVED_DAYS),
                    expired_object_delete_marker=True,
                ),
                *(rules or []),
            ],
        )  # fmt: skip


def _expire(days: int, prefix: str) -> s3.LifecycleRule:
    return s3.LifecycleRule(prefix=prefix, expiration=Duration.days(days))


def _tell_event_bridge(bucket: s3.Bucket) -> None:
    """Let EventBridge hear of each object that arrives; the CDK's own option would need a function in Lambda for it."""
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )
