"""The key that everything at rest is encrypted with."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.environments import Environment
from infra.parts.removal import removal


class DataKey(Construct):
    """One customer-managed KMS key an environment, rotated yearly; the account's IAM policies say who may use it."""

    def __init__(self, scope: Construct, id: str, environment: Environment) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self, "Key",
            alias=f"alias/{environment.prefix}",
            description=f"Data of {environment.prefix} at rest",
            enable_key_rotation=True,
            removal_policy=removal(environment),
        )  # fmt: skip
        # Alarms and events reach topics and queues that this key encrypts.
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DeliverToKey",
                principals=[
                    iam.ServicePrincipal("cloudwatch.amazonaws.com"),
                    iam.ServicePrincipal("events.amazonaws.com"),
                ],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
