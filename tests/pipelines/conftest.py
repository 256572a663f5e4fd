"""What tests of the pipelines share: settings of an account of nobody, and the definitions made from them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.workspace.settings import PipelineSettings

ACCOUNT = "123456789012"


def role(name: str) -> str:
    """The ARN of a role of the account."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@pytest.fixture(scope="session")
def settings() -> PipelineSettings:
    """Return settings as they are on AWS."""
    return PipelineSettings(
        bucket="counterfoil-test",
        region="eu-central-1",
        registry=f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com",
        image_tag="0.1.0",
        role=role("counterfoil-pipeline"),
        step_roles={"collect": role("counterfoil-collect"), "register": role("counterfoil-register")},
        environment={"COUNTERFOIL_DATABASE_URL_SECRET": "counterfoil/dsn"},
        tags={"project": "counterfoil", "cost-centre": "fraud"},
    )


@pytest.fixture(scope="session")
def definition(settings: PipelineSettings) -> Callable[[str], dict[str, Any]]:
    """Return a function from a pipeline's name to its definition."""
    from pipelines import catalogue

    made = {name: json.loads(catalogue.definition(name, settings)) for name in catalogue.PIPELINES}
    return lambda name: made[name]
