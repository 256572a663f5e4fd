"""The DynamoDB tables: claims on input files, and the payments that profiles are folded from."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.environments import Environment

BY_WRITTEN = "by_written"
"""What is new of a profile is found by when it was written, as adapters/aws/profiles.py has it."""
EXPIRES = "expires_at"
"""Attribute with the second (Unix time) from which an item may be removed."""


class Tables(Construct):
    """Paid by request, encrypted with our key, recoverable to any second of the last 35 days."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment, self._key = environment, key
        self.ledger = self._table("Ledger", "ledger", sort=None, expires=None)
        self.profiles = self._table("Profiles", "profiles", sort="sk", expires=EXPIRES)
        written = dynamodb.Attribute(name="written", type=dynamodb.AttributeType.NUMBER)
        self.profiles.add_local_secondary_index(index_name=BY_WRITTEN, sort_key=written)

    def _table(self, id: str, name: str, *, sort: str | None, expires: str | None) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        return dynamodb.Table(
            self, id,
            table_name=f"{self._environment.prefix}-{name}",
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=text),
            time_to_live_attribute=expires,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self._environment.keep,
            removal_policy=RemovalPolicy.RETAIN if self._environment.keep else RemovalPolicy.DESTROY,
        )  # fmt: skip
