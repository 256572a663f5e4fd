"""All stacks of one environment: `python -m infra.app` is what the CDK's command line runs."""

import sys
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from counterfoil.errors import CounterfoilError
from infra.delivery import Delivery, Identity
from infra.environments import Deployment
from infra.insights import Insights
from infra.lake import Lake
from infra.network import Network
from infra.repositories import Repositories
from infra.scoring import Scoring
from infra.streams import Streams
from infra.training import Training

FLAGS = {
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/core:validateAgainstDefaultRules": True,
    "@aws-cdk/core:target-partitions": ["aws"],
}
"""Ways of the CDK that are only taken when they are asked for."""


def build(context: Mapping[str, Any], folder: str | None = None) -> cdk.App:
    """The app of an environment, not yet synthesised. Raises UsageError for settings that no stack can be made of."""
    app = cdk.App(context={**FLAGS, **context}, outdir=folder, analytics_reporting=False)
    deployment = Deployment.of(dict(app.node.get_all_context()))
    environment = deployment.environment
    env = cdk.Environment(region=environment.region)

    def name(stack: str) -> str:
        return f"{environment.prefix}-{stack}"

    repositories = Repositories(app, "counterfoil-repositories", env=env)
    network = Network(app, name("network"), environment, env=env)
    lake = Lake(app, name("lake"), environment, network, env=env)
    training = Training(app, name("training"), deployment, network, lake, repositories, env=env)
    scoring = Scoring(app, name("scoring"), deployment, network, lake, repositories, training.stores, env=env)
    Streams(app, name("streams"), deployment, network, lake, repositories, training, scoring, env=env)
    Insights(app, name("insights"), deployment, lake, training.stores.glue_database, env=env)
    if deployment.github_repository:
        Identity(app, "counterfoil-identity", env=env)
        Delivery(app, name("delivery"), deployment, env=env)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def main() -> int:
    """Synthesise what the context names; 2 for a setting that cannot be."""
    try:
        build({}).synth()
    except CounterfoilError as error:
        print(error, file=sys.stderr)  # noqa: T201 the CDK's command line shows it
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
