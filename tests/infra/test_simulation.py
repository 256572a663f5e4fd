"""Requests that each role makes, and requests that it must not get through with, against the synthesised policies."""

import pytest
from simulated import allowed, matches
from synthesised import Synthesised

from infra.permissions import Permission, permissions

_SUFFIX = "111122223333-eu-west-1"
_LAKE, _RAW, _MODELS = (f"arn:aws:s3:::counterfoil-prod-{name}-{_SUFFIX}" for name in ("lake", "raw", "artefacts"))
_PIPELINE = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/counterfoil-"
_ROLE = "arn:aws:iam::111122223333:role/counterfoil-prod-"
_STACK = "arn:aws:cloudformation:eu-west-1:111122223333:stack/counterfoil-"
_REPOSITORY = "arn:aws:ecr:eu-west-1:111122223333:repository/counterfoil-"
_TO_ECS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
_METRICS = "cloudwatch:namespace"
Request = tuple[str, str, str, dict[str, str]]

MAY: list[Request] = [
    ("step-collect", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("step-collect", "s3:PutObject", f"{_LAKE}/executions/e1/collect/transactions/p.parquet", {}),
    ("step-curate", "s3:GetObject", f"{_LAKE}/lake/addresses/run=1/p.parquet", {}),
    ("step-features", "s3:GetObject", f"{_LAKE}/lake/labels/run=1/p.parquet", {}),
    ("step-train", "s3:PutObject", f"{_LAKE}/executions/e1/train/release/weights", {}),
    ("step-evaluate", "s3:PutObject", f"{_LAKE}/executions/e1/evaluate/evaluation/e.json", {}),
    ("step-gate", "s3:GetObject", f"{_LAKE}/executions/e1/evaluate/evaluation/e.json", {}),
    ("step-register", "s3:PutObject", f"{_MODELS}/mlflow/1/model", {}),
    ("step-detect", "s3:GetObject", f"{_MODELS}/mlflow/1/model", {}),
    ("step-publish", "s3:DeleteObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("step-report", "s3:PutObject", f"{_LAKE}/executions/e1/report/report/summary.json", {}),
    ("step-report", "s3:ListBucket", _LAKE, {"s3:prefix": "executions/e1"}),
    ("step-insights", "s3:GetObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("step-insights", "s3:PutObject", f"{_LAKE}/executions/e1/insights/insights/insight_report.html", {}),
    ("canary", "cloudwatch:PutMetricData", "any", {_METRICS: "CloudWatchSynthetics"}),
    ("scoring", "s3:GetObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("scoring", "s3:ListBucket", _RAW, {"s3:prefix": "incoming/2026-04-05/"}),
    ("scoring", "s3:GetObject", f"{_LAKE}/executions/e1/report/report/summary.json", {}),
    ("scoring", "sagemaker:StartPipelineExecution", f"{_PIPELINE}prod-detection", {}),
    ("scoring", "sagemaker:DescribePipelineExecution", f"{_PIPELINE}prod-detection/execution/e1", {}),
    ("ci", "iam:PassRole", f"{_ROLE}scoring", _TO_ECS),
    ("ci", "sagemaker:UpdatePipeline", f"{_PIPELINE}prod-training", {}),
    ("ci", "cloudformation:GetTemplate", f"{_STACK}identity/1", {}),
    ("ci", "cloudformation:GetTemplate", f"{_STACK}prod-lake/1", {}),
    ("ci", "ecr:DescribeRepositories", f"{_REPOSITORY}scoring", {}),
    ("ci", "s3:GetObject", f"{_LAKE}/executions/e1/report/report/summary.json", {}),
]
MUST_NOT: list[Request] = [
    ("step-collect", "s3:DeleteObject", f"{_RAW}/incoming/a.csv", {}),
    ("step-collect", "s3:PutObject", f"{_LAKE}/lake/transactions/run=1/p.parquet", {}),
    ("step-curate", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("step-features", "s3:PutObject", f"{_LAKE}/executions/e1/train/release/weights", {}),
    ("step-train", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("step-train", "s3:PutObject", f"{_MODELS}/mlflow/1/model", {}),
    ("step-evaluate", "s3:PutObject", f"{_LAKE}/executions/e1/gate/verdict/verdict.json", {}),
    ("step-gate", "s3:GetObject", f"{_LAKE}/lake/labels/run=1/p.parquet", {}),
    ("step-register", "s3:PutObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("step-detect", "s3:PutObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("step-publish", "s3:DeleteObject", f"{_LAKE}/executions/e1/detect/scores/p.parquet", {}),
    ("step-report", "s3:ListBucket", _LAKE, {"s3:prefix": "lake/transactions"}),
    ("step-report", "s3:ListBucket", _LAKE, {}),
    ("step-insights", "s3:GetObject", f"{_LAKE}/lake/addresses/run=1/p.parquet", {}),
    ("step-insights", "s3:PutObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("canary", "cloudwatch:PutMetricData", "any", {_METRICS: "AWS/Billing"}),
    ("scoring", "cloudwatch:PutMetricData", "any", {_METRICS: "Counterfoil"}),
    ("scoring", "s3:PutObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("scoring", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("scoring", "s3:ListBucket", _RAW, {}),
    ("scoring", "sagemaker:StartPipelineExecution", f"{_PIPELINE}prod-training", {}),
    ("watch", "sagemaker:StartPipelineExecution", f"{_PIPELINE}prod-detection", {}),
    ("migrate", "s3:GetObject", f"{_LAKE}/lake/scores/run=1/p.parquet", {}),
    ("watch", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("scientist", "s3:GetObject", f"{_RAW}/incoming/a.csv", {}),
    ("ci", "iam:PassRole", f"{_ROLE}scoring", {}),
    ("ci", "iam:PassRole", f"{_ROLE}scoring", {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("ci", "iam:PassRole", f"{_ROLE}step-publish", _TO_ECS),
    ("ci", "iam:PassRole", "arn:aws:iam::111122223333:role/administrator", _TO_ECS),
    ("ci", "sagemaker:UpdatePipeline", f"{_PIPELINE}dev-training", {}),
    ("ci", "cloudformation:GetTemplate", f"{_STACK}dev-lake/1", {}),
    ("ci", "s3:GetObject", f"{_LAKE}/executions/e1/collect/transactions/p.parquet", {}),
]


@pytest.fixture(scope="session")
def policies(prod: Synthesised) -> list[Permission]:
    return permissions(prod.templates)


def _through(policies: list[Permission], requests: list[Request]) -> list[Request]:
    return [
        (role, action, resource, context)
        for role, action, resource, context in requests
        if allowed(policies, f"counterfoil-prod-{role}", action, resource, context)
    ]


def test_each_role_gets_through_with_its_work(policies: list[Permission]) -> None:
    assert _through(policies, MAY) == MAY


def test_no_role_gets_through_with_another_s_work(policies: list[Permission]) -> None:
    assert _through(policies, MUST_NOT) == []


def test_every_step_is_tried_both_ways(policies: list[Permission]) -> None:
    prefix = "counterfoil-prod-"
    steps = {one.role.removeprefix(prefix) for one in policies if one.role.startswith(f"{prefix}step-")}
    assert len(steps) == 11
    assert {f"{prefix}{role}" for role, *_ in [*MAY, *MUST_NOT]} <= {one.role for one in policies}
    for requests in (MAY, MUST_NOT):
        assert steps <= {role for role, *_ in requests}


def test_the_simulation_itself_follows_iam() -> None:
    allow = Permission("role", "", ("s3:Get*",), ("arn:aws:s3:::b/*",), {})
    deny = Permission("role", "", ("s3:GetObject",), ("arn:aws:s3:::b/secret/*",), {}, effect="Deny")
    assert allowed([allow, deny], "role", "s3:getobject", "arn:aws:s3:::b/open", {})
    assert not allowed([allow, deny], "role", "s3:GetObject", "arn:aws:s3:::b/secret/x", {})
    assert not allowed([allow], "other", "s3:GetObject", "arn:aws:s3:::b/open", {})
    assert matches("a?c*", "abcd/e")
    assert not matches("a.c", "abc")
    unknown = Permission("role", "", ("s3:GetObject",), ("*",), {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    with pytest.raises(NotImplementedError, match="IpAddress"):
        allowed([unknown], "role", "s3:GetObject", "x", {})
