"""The key of the keyed hashes that stand for people in the lake."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infra.environments import Environment
from infra.parts.acknowledged import acknowledge
from infra.parts.removal import removal


class PseudonymKey(Construct):
    """A random text of 64 characters; whoever reads it could tell who is behind an account id."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.secret = secrets.Secret(
            self, "Secret",
            secret_name=f"{environment.prefix}/pseudonym-key",
            description="Key of the keyed hashes; `counterfoil rotate-key` changes it and the lake together",
            encryption_key=key,
            generate_secret_string=secrets.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=removal(environment),
        )  # fmt: skip
        acknowledge(
            self.secret, "AwsSolutions-SMG4",
            "a new key without rewriting the lake would make known people look new: `counterfoil rotate-key` does both",
        )  # fmt: skip
