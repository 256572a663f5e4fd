"""Synthesise both environments without an account: `python -m infra.synth FOLDER`, for `make synth` and CI."""

from pathlib import Path

from infra.app import build
from infra.command_line import new_folder

_DIGEST = f"sha256:{'a' * 64}"
EXAMPLES = {
    "dev": {"environment": "dev"},
    "prod": {
        "environment": "prod",
        "image_tag": "0a1b2c3",
        "scoring_digest": _DIGEST,
        "detector_digest": _DIGEST,
        "migration_digest": _DIGEST,
        "jwt_issuer": "https://login.example.com/",
        "jwt_audience": "counterfoil",
        "domain_name": "fraud.example.com",
        "hosted_zone_id": "Z0123456789ABC",
        "hosted_zone_name": "example.com",
        "sagemaker_domain_id": "d-0123456789ab",
        "quicksight_user_arn": "arn:aws:quicksight:eu-west-1:111122223333:user/default/analyst",
        "alert_email": "fraud@example.com",
        "watch": "yes",
        "github_repository": "example/counterfoil",
        "github_owner_id": "11",
        "github_repository_id": "22",
    },
}
"""A first deployment with nothing optional, and one with everything; what a site would add is made up."""


def synthesise(folder: Path) -> list[str]:
    """Write the templates below `folder` and return the stacks' names. A finding of cdk-nag raises."""
    stacks = []
    for environment, context in EXAMPLES.items():
        assembly = build(context, str(folder / environment)).synth()
        stacks += [stack.stack_name for stack in assembly.stacks]
    return stacks


if __name__ == "__main__":
    for name in synthesise(new_folder(__doc__)):
        print(name)  # noqa: T201 what was made
