"""The role that GitHub Actions takes on: no key is kept anywhere, a token of the job is exchanged for it."""

import re
from pathlib import Path

from aws_cdk import Aws, CfnOutput, Duration
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.environments import Deployment
from infra.parts import rights

ISSUER = "token.actions.githubusercontent.com"


def subjects(deployment: Deployment) -> list[str]:
    """The jobs that may take it on: those of the GitHub environment of the same name.

    A repository made, renamed or transferred since 15 July 2026 says its owner's and its own number beside the
    names; an older one does not. The numbers cannot be taken over with a name.
    """
    owner, _, repository = deployment.github_repository.partition("/")
    environment = deployment.environment.name
    numbered = f"{owner}@{deployment.github_owner_id}/{repository}@{deployment.github_repository_id}"
    return [f"repo:{name}:environment:{environment}" for name in (f"{owner}/{repository}", numbered)]


class CiRole(Construct):
    """Pushes images, deploys through the CDK's own roles, moves service and pipelines, and calls the API once."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment) -> None:
        super().__init__(scope, id)
        prefix = deployment.environment.prefix
        provider = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{ISSUER}"
        principal = iam.FederatedPrincipal(
            provider,
            {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subjects(deployment)}},
            "sts:AssumeRoleWithWebIdentity",
        )
        self.role = iam.Role(
            self, "Role",
            role_name=f"{prefix}-ci", description=f"GitHub Actions, to deploy {deployment.environment.name}",
            assumed_by=principal, max_session_duration=Duration.hours(6),
        )  # fmt: skip
        rights.grant(self.role, *_granted(prefix))
        CfnOutput(self, "Arn", value=self.role.role_arn).override_logical_id("CiRole")


def _granted(prefix: str) -> list[rights.Rights]:
    def arn(service: str, rest: str, *, region: str = Aws.REGION) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{region}:{Aws.ACCOUNT_ID}:{rest}"

    push = ("CompleteLayerUpload", "DescribeImages", "DescribeRepositories", "InitiateLayerUpload", "PutImage",
            "UploadLayerPart")  # fmt: skip
    pull = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    uses = ("deploy", "file-publishing", "lookup")
    bootstrapped = [
        arn("iam", f"role/cdk-hnb659fds-{use}-role-{Aws.ACCOUNT_ID}-{Aws.REGION}", region="") for use in uses
    ]
    move = ("DescribeServices", "UpdateService")
    pipelines = ("DescribePipeline", "UpdatePipeline", "ListPipelineExecutions", "DescribePipelineExecution",
                 "ListPipelineExecutionSteps")  # fmt: skip
    shared = ("counterfoil-repositories", "counterfoil-identity")
    stacks = [arn("cloudformation", f"stack/{name}/*") for name in (f"{prefix}-*", *shared)]
    errands = [arn("ecs", f"task-definition/{prefix}-{task}:*") for task in ("migrate", "start")]
    lake = f"arn:{Aws.PARTITION}:s3:::{prefix}-lake-{Aws.ACCOUNT_ID}-{Aws.REGION}"
    figures = [f"{lake}/executions/*/{place}/*" for place in ("gate/verdict", "report/report")]
    our_key = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{prefix}"}}
    here = {"ArnEquals": {"ecs:cluster": arn("ecs", f"cluster/{prefix}")}}
    tasks = [
        arn("iam", f"role/{prefix}-{task}{part}", region="")
        for task in ("scoring", "watch", "migrate", "start")
        for part in ("", "-launch")
    ]
    return [
        rights.right("PushImages", _verbs("ecr", *push, *pull), [arn("ecr", "repository/counterfoil-*")]),
        rights.right("PullSpark", _verbs("ecr", *pull), [_spark_repository()]),
        rights.right("LogInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
        rights.right("TakeCdkRoles", ["sts:AssumeRole"], bootstrapped),
        rights.right("ReadOutputs", _verbs("cloudformation", "DescribeStacks", "GetTemplate"), stacks),
        rights.right("MoveService", _verbs("ecs", *move), [arn("ecs", f"service/{prefix}/*")]),
        rights.right("MoveService", ["ecs:RegisterTaskDefinition"], [arn("ecs", f"task-definition/{prefix}-*:*")]),
        rights.right("MoveService", ["ecs:DescribeTaskDefinition"], ["*"]),
        rights.right("RunErrands", ["ecs:RunTask"], errands),
        rights.right("RunErrands", ["ecs:DescribeTasks"], [arn("ecs", f"task/{prefix}/*")]),
        rights.right("RunErrands", ["ecs:ListTasks"], ["*"], here),
        rights.right("MovePipelines", _verbs("sagemaker", *pipelines), [arn("sagemaker", f"pipeline/{prefix}-*")]),
        rights.right(
            "PassRoles", ["iam:PassRole"], tasks, {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        ),
        rights.right(
            "PassRoles", ["iam:PassRole"], [arn("iam", f"role/{prefix}-pipelines", region="")],
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        rights.right("ReadOutputs", ["s3:GetObject"], figures),
        rights.right("ReadOutputs", ["kms:Decrypt"], [arn("kms", "key/*")], our_key),
        rights.right("CallApi", ["execute-api:Invoke"], [arn("execute-api", "*/$default/POST/v1/score")]),
    ]  # fmt: skip


def _spark_repository() -> str:
    """The repository of AWS that the image features-spark begins with."""
    dockerfile = Path(__file__).parents[2] / "containers" / "features_spark" / "Dockerfile"
    [(account, region, name)] = re.findall(
        r"^ARG BASE_IMAGE=(\d+)\.dkr\.ecr\.([\w-]+)\.amazonaws\.com/([\w-]+):", dockerfile.read_text(), re.M
    )
    return f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/{name}"


def _verbs(service: str, *names: str) -> list[str]:
    return [f"{service}:{name}" for name in names]
