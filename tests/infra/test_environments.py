"""Settings that no stack can be made of stop the synthesis, with a message that names them."""

from dataclasses import replace

import pytest

from counterfoil.errors import UsageError
from infra.environments import DEV, PROD, Deployment


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({}, "environment is ''"),
        ({"environment": "test"}, "environment is 'test': give -c environment=dev or prod"),
        ({"environment": "prod"}, "needs jwt_issuer"),
        ({"environment": "dev", "scoring_digset": "x"}, "no such setting: scoring_digset"),
        ({"environment": "dev", "scoring_digest": "latest"}, "scoring_digest is 'latest': write it like sha256:"),
        ({"environment": "dev", "jwt_issuer": "https://login.example.com/"}, "jwt_issuer needs jwt_audience"),
        ({"environment": "dev", "jwt_issuer": "http://login", "jwt_audience": "x"}, "jwt_issuer is 'http://login'"),
        ({"environment": "dev", "domain_name": "fraud.example.com"}, "domain_name needs hosted_zone_id"),
        (
            {
                "environment": "dev",
                "domain_name": "fraud.example.com",
                "hosted_zone_id": "Z0123456789",
                "hosted_zone_name": "example.org",
            },
            "does not lie in hosted_zone_name 'example.org'",
        ),
        ({"environment": "dev", "github_repository": "a/b"}, "github_repository needs github_owner_id"),
    ],
)
def test_a_bad_setting_is_named(context: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match="(?s)" + said.replace("(", r"\(")):
        Deployment.of(context)


def test_settings_of_the_cdk_itself_are_passed_over() -> None:
    assert Deployment.of({"environment": "dev", "@aws-cdk/x": True, "aws:cdk:y": 1}).environment is DEV


def test_an_environment_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="tasks_least 3 is above tasks_most 2"):
        replace(DEV, tasks_least=3, tasks_most=2)
    with pytest.raises(UsageError, match="executions_days 30 is not above the 30 days of the step cache"):
        replace(DEV, executions_days=30)
    with pytest.raises(UsageError, match="nat_gateways 1 leaves a zone without a way out"):
        replace(PROD, nat_gateways=1)
