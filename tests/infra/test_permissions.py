"""Least privilege: what each role must and must not do, and no `*` without a reason."""

import json
import re
from collections import Counter
from collections.abc import Iterable

import pytest
from synthesised import Synthesised

from infra.parts.rights import WIDE
from infra.permissions import PAGE, Permission, page, permissions, why


@pytest.fixture(scope="session")
def found(prod: Synthesised) -> list[Permission]:
    return permissions(prod.templates)


def _actions(found: Iterable[Permission], role: str) -> set[str]:
    return {action for one in found if one.role == f"counterfoil-prod-{role}" for action in one.actions}


def test_no_action_has_a_star(found: list[Permission]) -> None:
    assert not [(one.role, action) for one in found for action in one.actions if "*" in action]


def test_every_wide_resource_is_of_a_form_that_has_a_reason(found: list[Permission]) -> None:
    wide = {resource for one in found for resource in one.resources if "*" in resource}
    assert len(wide) > 20
    for resource in wide:
        named = re.sub("<AWS::(\\w+)>", r"\1", resource)
        assert any(re.fullmatch(form, named) for form, _ in WIDE), resource


def test_a_star_alone_stands_only_for_calls_that_know_no_resource(found: list[Permission]) -> None:
    allowed = {
        "ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "s3:ListAllMyBuckets", "ecs:DescribeTaskDefinition",
        "ecs:ListTasks", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions",
        "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
    }  # fmt: skip
    assert {action for one in found if "*" in one.resources for action in one.actions} <= allowed


def test_every_statement_says_why(found: list[Permission]) -> None:
    for one in found:
        assert why(one), one


def test_ids_of_statements_are_unique_in_a_policy(prod: Synthesised) -> None:
    for policy in prod.properties("AWS::IAM::Policy"):
        ids = Counter(one["Sid"] for one in policy["PolicyDocument"]["Statement"] if "Sid" in one)
        assert not [id for id, count in ids.items() if count > 1], policy["PolicyName"]


def test_the_page_is_what_the_templates_say(found: list[Permission]) -> None:
    assert page(found) == PAGE.read_text(), "make synth writes it anew"


def test_no_managed_policy_is_used(prod: Synthesised) -> None:
    assert not [role for role in prod.properties("AWS::IAM::Role") if role.get("ManagedPolicyArns")]


@pytest.mark.parametrize(
    ("role", "must", "must_not"),
    [
        ("step-collect", {"secretsmanager:GetSecretValue", "dynamodb:PutItem"}, {"rds-db:connect", "glue:UpdateTable"}),
        ("step-train", {"s3:GetObject"}, {"secretsmanager:GetSecretValue", "rds-db:connect", "dynamodb:PutItem"}),
        ("step-gate", {"s3:GetObject"}, {"sagemaker:CallMlflowAppApi", "rds-db:connect"}),
        ("step-publish", {"glue:UpdateTable", "s3:DeleteObject"}, {"secretsmanager:GetSecretValue", "rds-db:connect"}),
        ("step-register", {"sagemaker:CallMlflowAppApi", "rds-db:connect"}, {"glue:UpdateTable"}),
        ("scoring", {"rds-db:connect", "sns:Publish", "dynamodb:Query"}, {"s3:DeleteObject", "kinesis:GetRecords"}),
        ("watch", {"kinesis:GetRecords", "sns:Publish"}, {"s3:DeleteObject", "sagemaker:StartPipelineExecution"}),
        ("start", {"sagemaker:StartPipelineExecution", "rds-db:connect"}, {"sagemaker:CreateProcessingJob"}),
        ("migrate", {"secretsmanager:GetSecretValue"}, {"s3:GetObject", "kms:GenerateDataKey"}),
        ("pipelines", {"sagemaker:CreateProcessingJob", "iam:PassRole"}, {"s3:PutObject", "s3:DeleteObject"}),
        ("scientist", {"s3:GetObject"}, {"secretsmanager:GetSecretValue", "rds-db:connect", "iam:PassRole"}),
        ("ci", {"ecs:UpdateService", "ecr:PutImage"}, {"secretsmanager:GetSecretValue", "iam:CreateRole"}),
    ],
)
def test_what_a_role_must_and_must_not_do(
    found: list[Permission], role: str, must: set[str], must_not: set[str]
) -> None:
    actions = _actions(found, role)
    assert must <= actions
    assert not must_not & actions


def test_a_step_writes_only_below_its_own_name(found: list[Permission]) -> None:
    for one in found:
        step = one.role.removeprefix("counterfoil-prod-step-")
        if one.role == step or "s3:PutObject" not in one.actions:
            continue
        for place in one.resources:
            assert place.endswith((f"/executions/*/{step}/*", "/lake/*", "/mlflow/*")), (one.role, place)
            assert step == "publish" or not place.endswith("/lake/*")


def test_only_the_collector_and_its_starter_read_raw_files(found: list[Permission]) -> None:
    readers = {one.role for one in found if "s3:GetObject" in one.actions and any("-raw-" in r for r in one.resources)}
    assert readers == {"counterfoil-prod-step-collect", "counterfoil-prod-start"}


def test_at_most_twelve_findings_are_acknowledged(prod: Synthesised) -> None:
    """Counted by rule and reason: cdk-nag 3 wants a line for each resource that a reason is about."""
    tree = json.dumps([json.loads(path.read_text()) for path in prod.folder.glob("*.metadata.json")])
    entries = re.findall(r'"(?:\w+::)?(AwsSolutions-\w+)(?:\[[^"]*\])?": "([^"]+)"', tree)
    assert entries
    assert len(set(entries)) <= 12, sorted(set(entries))
