"""The stack of delivery: who may deploy. It is deployed by hand, once, before CI can do anything."""

import aws_cdk as cdk
from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.environments import Deployment
from infra.parts.ci_role import ISSUER, CiRole


class Identity(Stack):
    """GitHub as an identity provider: one an account, whatever environments it has."""

    def __init__(self, scope: Construct, id: str, env: cdk.Environment) -> None:
        super().__init__(scope, id, env=env)
        iam.OidcProviderNative(
            self, "GitHub",
            url=f"https://{ISSUER}", client_ids=["sts.amazonaws.com"], removal_policy=RemovalPolicy.RETAIN,
        )  # fmt: skip


class Delivery(Stack):
    """The role of CI."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment, env: cdk.Environment) -> None:
        super().__init__(scope, id, env=env)
        self.ci = CiRole(self, "Ci", deployment)
