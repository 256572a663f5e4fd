"""Rights, statement by statement: what may be done, to what, and why. Their ids lead to the reasons in REASONS.

The CDK's own `grant` methods give actions with `*` (`s3:GetObject*`) and no reason; these name each action.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from infra.parts.acknowledged import acknowledge
from infra.parts.tables import BY_WRITTEN

REASONS = {
    "ReadObjects": "what the step or task works on",
    "WriteObjects": "where it may leave its result, and nowhere else",
    "RemoveObjects": "files that a newer run has replaced, or that `forget` takes away",
    "ListObjects": "to find the objects under those prefixes",
    "UseKey": "everything at rest is encrypted with the environment's key",
    "ClaimFiles": "claims on input files, so that none is collected twice",
    "KeepProfiles": "payments of an account, merchant or device, folded into evidence when one is scored",
    "LogInToDatabase": "a token in the password's place; the database user decides what may be done there",
    "ReadSecrets": "addresses and keys that no definition may hold",
    "KeepReleases": "releases are models in MLflow",
    "FollowCatalogue": "tables and partitions for Athena follow the manifests",
    "PullImages": "the image that it runs",
    "LogInToRegistry": "ECR's login knows no resource",
    "WriteLogs": "its log",
    "MeasureJobs": "SageMaker's own metrics of a job; CloudWatch's metrics know no resource",
    "Measure": "its metrics; CloudWatch's metrics know no resource, only a namespace",
    "JoinNetwork": "network interfaces in the private subnets",
    "LookAtNetwork": "EC2's describing calls know no resource",
    "RunJobs": "the processing jobs of its steps",
    "TagJobs": "the jobs' tags",
    "WatchJobs": "EventBridge rules by which SageMaker hears that a job has ended",
    "PassRoles": "each job runs as its step's own role",
    "StartPipelines": "to start an execution and to tell how it goes",
    "ReadStream": "payments as they happen",
    "SendAlerts": "alerts to the security team",
    "RunErrands": "the task that starts a pipeline when files arrive or it is time",
    "PushImages": "images that CI has built",
    "PullSpark": "SageMaker's Spark, which the image features-spark is built on",
    "TakeCdkRoles": "the CDK deploys with its own bootstrapped roles",
    "MoveService": "a new task definition, and back to the one before",
    "MovePipelines": "the pipelines' definitions with a new image, and back",
    "CallApi": "the smoke test: one payment, scored over the public address",
    "ReadOutputs": "names of what was deployed, and what an execution found",
    "KeepScreens": "what the canary saw",
    "FindScreens": "Synthetics asks for the buckets of the account to find its own",
    "QueryLake": "questions to the lake, in the workgroup that limits them",
    "ReadCatalogue": "names and columns of the tables",
    "DeliverToKey": "alarms and alerts are encrypted on their way",
}
"""Why a right is given, by the id of its statement (digits at its end do not count)."""

WIDE = (
    (
        r"\*",
        "these calls know no resource: logging in to ECR, putting metrics, describing networks, revisions, buckets",
    ),
    (r"arn:[^:]+:s3:::[^*]+/.*\*", "objects are named when they are written: the right ends in a prefix of one bucket"),
    (
        r"arn:[^:]+:(logs|ec2|glue|sagemaker|ecr|ecs|cloudformation|execute-api|kms):.+\*.*",
        "jobs, revisions, partitions, interfaces and API ids are named when they are made: the right ends in a prefix",
    ),
)
"""The forms of resources that may be wide, and why they cannot be exact: no other may stand in a policy."""


@dataclass(frozen=True)
class Right:
    """One statement that allows. `sid` leads to its reason."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if self.sid not in REASONS:
            raise KeyError(f"right {self.sid!r} has no reason in REASONS")


Rights = list[Right]


def right(
    sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, object] | None = None
) -> Rights:
    """A list of one right."""
    return [Right(sid, tuple(actions), tuple(resources), conditions)]


def grant(role: iam.Role, *groups: Iterable[Right]) -> None:
    """Give a role all its rights, at once: statements that share a reason are numbered, as ids are unique in a policy.

    A `*` in a resource is acknowledged here, with the reason why it cannot be more exact.
    """
    counts: Counter[str] = Counter()
    for one in (one for group in groups for one in group):
        counts[one.sid] += 1
        number = "" if counts[one.sid] == 1 else str(counts[one.sid])
        role.add_to_principal_policy(
            iam.PolicyStatement(
                sid=f"{one.sid}{number}", actions=list(one.actions), resources=list(one.resources),
                conditions=one.conditions,
            )
        )  # fmt: skip
        for resource in one.resources:
            if "*" in resource:
                acknowledge(role, f"AwsSolutions-IAM5[Resource::{_as_text(role, resource)}]", why_wide(resource))


def why_wide(resource: str) -> str:
    """Why a resource ends in `*`. Raises KeyError for one that could name what it means."""
    return next(reason for form, reason in WIDE if re.fullmatch(form, resource))


def _as_text(scope: IConstruct, text: str) -> str:
    """A text as cdk-nag calls it: references to what CloudFormation knows in angle brackets."""
    found = Stack.of(scope).resolve(text)
    if isinstance(found, str):
        return found
    parts = found["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)


def read_objects(bucket: s3.IBucket, *prefixes: str) -> Rights:
    """Read and list below prefixes."""
    places = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    only = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}
    listed = right("ListObjects", ["s3:ListBucket"], [bucket.bucket_arn], only)
    return [*right("ReadObjects", ["s3:GetObject"], places), *listed]


def write_objects(bucket: s3.IBucket, *prefixes: str) -> Rights:
    """Write below prefixes; a large object in parts."""
    places = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    return right("WriteObjects", ["s3:PutObject", "s3:AbortMultipartUpload"], places)


def keep_objects(bucket: s3.IBucket, *prefixes: str) -> Rights:
    """Read, write, list and remove below prefixes."""
    places = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    removal = right("RemoveObjects", ["s3:DeleteObject"], places)
    return [*read_objects(bucket, *prefixes), *write_objects(bucket, *prefixes), *removal]


def use_key(key: kms.IKey, *, write: bool = True) -> Rights:
    """Decrypt, and encrypt what is written."""
    actions = ["kms:Decrypt", "kms:DescribeKey", *(["kms:GenerateDataKey"] if write else [])]
    return right("UseKey", actions, [key.key_arn])


def claim_files(table: dynamodb.ITable) -> Rights:
    """What adapters/aws/ledger.py asks of the table."""
    actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Scan"]
    return right("ClaimFiles", actions, [table.table_arn])


def keep_profiles(table: dynamodb.ITable) -> Rights:
    """What adapters/aws/profiles.py asks of the table."""
    actions = ["Query", "Scan", "PutItem", "DeleteItem"]
    places = [table.table_arn, f"{table.table_arn}/index/{BY_WRITTEN}"]
    return right("KeepProfiles", [f"dynamodb:{action}" for action in actions], places)


def log_in_to_database(user_arn: str) -> Rights:
    """Get a login token for one user."""
    return right("LogInToDatabase", ["rds-db:connect"], [user_arn])


def read_secrets(*arns: str) -> Rights:
    """Read the current text of secrets."""
    return right("ReadSecrets", ["secretsmanager:GetSecretValue"], arns)


def keep_releases(tracking_arn: str) -> Rights:
    """Call MLflow."""
    return right("KeepReleases", ["sagemaker:CallMlflowAppApi"], [tracking_arn])


def follow_catalogue(database: str) -> Rights:
    """What adapters/aws/glue.py asks of Glue, in one database."""
    verbs = (
        "GetDatabase", "CreateDatabase", "GetTable", "GetTables", "CreateTable", "UpdateTable", "DeleteTable",
        "GetPartitions", "BatchCreatePartition", "BatchUpdatePartition", "BatchDeletePartition",
    )  # fmt: skip
    return right("FollowCatalogue", [f"glue:{verb}" for verb in verbs], _catalogue(database))


def read_catalogue(database: str) -> Rights:
    """Read tables and partitions of one database."""
    verbs = ("GetDatabase", "GetTable", "GetTables", "GetPartition", "GetPartitions", "BatchGetPartition")
    return right("ReadCatalogue", [f"glue:{verb}" for verb in verbs], _catalogue(database))


def _catalogue(database: str) -> list[str]:
    home = f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    return [f"{home}:catalog", f"{home}:database/{database}", f"{home}:table/{database}/*"]


def run_in_network(subnets: Sequence[str], groups: Sequence[str]) -> Rights:
    """What a SageMaker job needs to run in private subnets (ids), in security groups (ids)."""
    home = f"arn:{Aws.PARTITION}:ec2:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    places = [f"{home}:subnet/{subnet}" for subnet in subnets]
    places += [f"{home}:security-group/{group}" for group in groups] + [f"{home}:network-interface/*"]
    changes = ("Create", "Delete")
    actions = [f"ec2:{verb}NetworkInterface{what}" for verb in changes for what in ("", "Permission")]
    looks = ("NetworkInterfaces", "Vpcs", "DhcpOptions", "Subnets", "SecurityGroups")
    return [
        *right("JoinNetwork", actions, places),
        *right("LookAtNetwork", [f"ec2:Describe{what}" for what in looks], ["*"]),
    ]


def pull_image(*repository_arns: str) -> Rights:
    """Pull images."""
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return [
        *right("PullImages", actions, repository_arns),
        *right("LogInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def write_logs(group_arn: str) -> Rights:
    """Write into a log group, which SageMaker makes itself."""
    actions = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"]
    return right("WriteLogs", [f"logs:{action}" for action in actions], [group_arn, f"{group_arn}:*"])


def measure(namespace: str, sid: str = "Measure") -> Rights:
    """Put metrics into one namespace."""
    only = {"StringEquals": {"cloudwatch:namespace": namespace}}
    return right(sid, ["cloudwatch:PutMetricData"], ["*"], only)
