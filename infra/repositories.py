"""The stack of image repositories: first of all, so that images can be there before what runs them."""

import aws_cdk as cdk
from aws_cdk import Duration, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from infra.parts.removal import KEPT

PIPELINE_IMAGES = ("collector", "curation", "detector", "features-spark")
"""Images of the pipelines' steps: SageMaker asks for `<registry>/counterfoil-<name>:<tag>`."""
IMAGES = (*PIPELINE_IMAGES, "scoring", "migration")
KEPT_IMAGES = 50
"""How many images a repository keeps: more than any rollback goes back."""


class Repositories(Stack):
    """One repository an image. Environments of an account share them: their names have no prefix, and they are kept."""

    def __init__(self, scope: Construct, id: str, env: cdk.Environment) -> None:
        super().__init__(scope, id, env=env)
        self.by_image = {name: self._repository(name) for name in IMAGES}

    def _repository(self, name: str) -> ecr.Repository:
        return ecr.Repository(
            self, name,
            repository_name=f"counterfoil-{name}",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            encryption=ecr.RepositoryEncryption.KMS,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="untagged", rule_priority=1, tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(7),
                ),
                ecr.LifecycleRule(description="oldest", rule_priority=2, max_image_count=KEPT_IMAGES),
            ],
            removal_policy=KEPT,
            empty_on_delete=False,
        )  # fmt: skip
