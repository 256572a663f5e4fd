"""Both pipelines, from the definitions that also run on a laptop."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, CfnOutput, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from counterfoil.workspace.settings import PipelineSettings
from infra.environments import Deployment
from infra.lake import Lake
from infra.parts import rights
from pipelines.catalogue import DESCRIPTIONS, PIPELINES, definition, pipeline_name

SETTINGS = "PipelineSettings"
"""The stack's output with all that the definitions are made of, but for the tag of an image."""


class Named:
    """Plain names in place of what CloudFormation fills in later: the SDK takes addresses to pieces."""

    def __init__(self) -> None:
        self._hidden: dict[str, str] = {}

    def hide(self, value: Any) -> Any:
        """The same with a name for each text that is not known yet."""
        if isinstance(value, dict):
            return {key: self.hide(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.hide(part) for part in value]
        if not Token.is_unresolved(value):
            return value
        return self._hidden.setdefault(value, f"later-{len(self._hidden):03}/known")

    def show(self, text: str) -> str:
        """The text with what was hidden."""
        for value, name in self._hidden.items():
            text = text.replace(name, value)
        return text


class Pipelines(Construct):
    """Training and detection, with the role that starts their jobs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        lake: Lake,
        step_roles: Mapping[str, iam.IRole],
        subnets: Sequence[str],
        security_group: str,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id)
        self.role = self._role(deployment, lake, step_roles)
        values = {
            "bucket": lake.buckets.lake.bucket_name,
            "registry": f"{Aws.ACCOUNT_ID}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}",
            "role": self.role.role_arn,
            "step_roles": {step: role.role_arn for step, role in step_roles.items()},
            "subnets": list(subnets),
            "security_groups": [security_group],
            "environment": dict(environment),
            "region": deployment.environment.region,
            "name_prefix": deployment.environment.prefix,
            "image_tag": deployment.image_tag,
            "tags": {"project": "counterfoil", "environment": deployment.environment.name},
        }
        self.names = [self._pipeline(name, values) for name in PIPELINES]
        # With it and a tag, infra/deploy makes the same definitions again.
        CfnOutput(self, "Settings", value=Stack.of(self).to_json_string(values)).override_logical_id(SETTINGS)

    def _pipeline(self, name: str, values: Mapping[str, Any]) -> str:
        named = Named()
        settings = PipelineSettings.model_validate(named.hide(values))
        pipeline = sagemaker.CfnPipeline(
            self, name.capitalize(),
            pipeline_name=pipeline_name(name, settings),
            pipeline_description=DESCRIPTIONS[name],
            pipeline_definition={"PipelineDefinitionBody": named.show(definition(name, settings))},
            role_arn=self.role.role_arn,
        )  # fmt: skip
        # SageMaker looks whether the role may do this when a pipeline is made.
        pipeline.node.add_dependency(self.role)
        return pipeline_name(name, settings)

    def _role(self, deployment: Deployment, lake: Lake, step_roles: Mapping[str, iam.IRole]) -> iam.Role:
        role = iam.Role(
            self, "Role",
            role_name=f"{deployment.environment.prefix}-pipelines",
            description="SageMaker Pipelines, to start the jobs of the steps",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )  # fmt: skip
        home = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        jobs = [f"{home}:processing-job/pipelines-*"]
        only = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        actions = [f"sagemaker:{verb}ProcessingJob" for verb in ("Create", "Describe", "Stop")]
        rights.grant(
            role,
            rights.right("RunJobs", actions, jobs),
            rights.right("TagJobs", ["sagemaker:AddTags"], jobs),
            rights.right("PassRoles", ["iam:PassRole"], [one.role_arn for one in step_roles.values()], only),
            # Property files, that conditions look into.
            rights.read_objects(lake.buckets.lake, "executions/"),
            rights.use_key(lake.key, write=False),
        )
        return role
