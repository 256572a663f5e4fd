"""A data scientist's profile in a SageMaker domain that is there already."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.environments import Deployment
from infra.lake import Lake
from infra.parts import rights
from infra.parts.settings import Stores


class Scientist(Construct):
    """May read the lake, keep releases and start pipelines; raw files and the key behind the pseudonyms stay closed."""

    def __init__(
        self, scope: Construct, id: str, deployment: Deployment, lake: Lake, stores: Stores, pipelines: Sequence[str]
    ) -> None:
        super().__init__(scope, id)
        prefix = deployment.environment.prefix
        role = iam.Role(
            self, "Role",
            role_name=f"{prefix}-scientist",
            description="Data scientists in SageMaker Studio",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )  # fmt: skip
        home = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:pipeline"
        verbs = ("StartPipelineExecution", "DescribePipeline", "ListPipelineExecutions", "ListPipelineExecutionSteps")
        places = [f"{home}/{name}{part}" for name in pipelines for part in ("", "/execution/*")]
        rights.grant(
            role,
            rights.read_objects(lake.buckets.lake, "lake/", "executions/"),
            rights.keep_objects(lake.buckets.artefacts, "mlflow/", "notebooks/"),
            rights.use_key(lake.key),
            rights.read_catalogue(stores.glue_database),
            rights.keep_releases(stores.tracking_arn),
            rights.right("StartPipelines", [f"sagemaker:{verb}" for verb in verbs], places),
        )
        sagemaker.CfnUserProfile(
            self, "Profile",
            domain_id=deployment.sagemaker_domain_id,
            user_profile_name=prefix,
            user_settings=sagemaker.CfnUserProfile.UserSettingsProperty(execution_role=role.role_arn),
        )  # fmt: skip
