"""The stream of payments as they happen, kept until they are scored."""

from aws_cdk import Duration
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.environments import Environment
from infra.parts.acknowledged import acknowledge
from infra.parts.removal import removal


class PaymentStream(Construct):
    """Kinesis on demand: it grows with the load. Payments stay for two days."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.stream = kinesis.Stream(
            self, "Stream",
            stream_name=f"{environment.prefix}-payments",
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            encryption=kinesis.StreamEncryption.KMS, encryption_key=key,
            retention_period=Duration.hours(48),
            removal_policy=removal(environment),
        )  # fmt: skip
        acknowledge(
            self.stream, "AwsSolutions-KDS3", "under our own key we decide who reads payments; its cost is small"
        )
