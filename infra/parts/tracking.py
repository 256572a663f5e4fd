"""MLflow, where releases are registered."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.environments import Environment
from infra.parts import rights


class Tracking(Construct):
    """SageMaker's MLflow App: it has no server that would cost while nobody asks. Artefacts lie in our bucket."""

    def __init__(self, scope: Construct, id: str, environment: Environment, bucket: s3.IBucket, key: kms.IKey) -> None:
        super().__init__(scope, id)
        role = iam.Role(
            self, "Role",
            role_name=f"{environment.prefix}-mlflow",
            description="MLflow, to keep the artefacts of releases",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )  # fmt: skip
        rights.grant(role, rights.keep_objects(bucket, "mlflow/"), rights.use_key(key))
        self.app = sagemaker.CfnMlflowApp(
            self, "App",
            name=environment.prefix,
            artifact_store_uri=f"s3://{bucket.bucket_name}/mlflow",
            role_arn=role.role_arn,
            # Releases are promoted by an operator, through our own registry.
            model_registration_mode="AutoModelRegistrationDisabled",
        )  # fmt: skip
        self.app.node.add_dependency(role)

    @property
    def arn(self) -> str:
        """What MLflow's client takes as its tracking URI."""
        return self.app.attr_arn
