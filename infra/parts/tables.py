"""The DynamoDB tables: claims on input files, and the payments that profiles are folded from."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.environments import Environment
from infra.parts.removal import removal

BY_WRITTEN = "by_written"
"""Index of an entity's payments by when they were written: a task reads only what is new to it."""
EXPIRES = "expires"
"""Attribute with the second (Unix time) from which an item may be removed."""


class Tables(Construct):
    """Paid by request, encrypted with our key, recoverable to any second of the last 35 days."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment, self._key = environment, key
        self.ledger = self._table("Ledger", "ledger", "pk")
        self.profiles = self._table("Profiles", "profiles", "entity", sort="entry_id", expires=EXPIRES)
        self.profiles.add_local_secondary_index(index_name=BY_WRITTEN, sort_key=_number("written"))

    def _table(
        self, id: str, name: str, key: str, *, sort: str | None = None, expires: str | None = None
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self, id,
            table_name=f"{self._environment.prefix}-{name}",
            partition_key=_text(key), sort_key=None if sort is None else _text(sort),
            time_to_live_attribute=expires,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self._environment.keep,
            removal_policy=removal(self._environment),
        )  # fmt: skip


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _number(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.NUMBER)
