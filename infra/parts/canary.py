"""A canary that asks the public address every five minutes."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_synthetics as synthetics
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights

_SCRIPT = """\
import http.client
import os


def handler(event, context):
    connection = http.client.HTTPSConnection(os.environ["HOST"], timeout=10)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    if status != 200:
        raise RuntimeError(f"/healthz answered {status}")
"""


class Canary(Construct):
    """Tells that the whole way works, and keeps the VPC link warm: one without traffic for 60 days goes inactive."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        host: str,
        results: s3.IBucket,
        key: kms.IKey,
        *,
        on: bool,
    ) -> None:
        super().__init__(scope, id)
        name = environment.prefix
        self.canary = synthetics.Canary(
            self, "Canary",
            canary_name=name,
            runtime=synthetics.Runtime.SYNTHETICS_PYTHON_SELENIUM_7_0,
            test=synthetics.Test.custom(code=synthetics.Code.from_inline(_SCRIPT), handler="index.handler"),
            schedule=synthetics.Schedule.rate(Duration.minutes(5)),
            environment_variables={"HOST": host},
            artifacts_bucket_location=synthetics.ArtifactsBucketLocation(bucket=results, prefix="canary"),
            role=self._role(environment, name, results, key),
            provisioned_resource_cleanup=True,
            start_after_creation=on,
        )  # fmt: skip

    def _role(self, environment: Environment, name: str, results: s3.IBucket, key: kms.IKey) -> iam.IRole:
        role = iam.Role(
            self, "Role",
            role_name=f"{environment.prefix}-canary",
            description="The canary that asks the public address",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )  # fmt: skip
        logs = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:/aws/lambda/cwsyn-{name}-*"
        rights.grant(
            role,
            rights.right("KeepScreens", ["s3:PutObject"], [results.arn_for_objects("canary/*")]),
            rights.right("KeepScreens", ["s3:GetBucketLocation"], [results.bucket_arn]),
            rights.right("FindScreens", ["s3:ListAllMyBuckets"], ["*"]),
            rights.use_key(key),
            rights.write_logs(logs),
            rights.measure("CloudWatchSynthetics"),
        )
        return role.without_policy_updates()
