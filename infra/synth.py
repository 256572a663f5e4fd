"""Synthesise both environments without an account: `python -m infra.synth FOLDER`, for `make synth` and CI."""

import sys
from pathlib import Path

from infra.app import build

EXAMPLES = {
    "dev": {"environment": "dev"},
    "prod": {
        "environment": "prod",
        "jwt_issuer": "https://login.example.com/",
        "jwt_audience": "counterfoil",
        "github_repository": "example/counterfoil",
        "github_owner_id": "11",
        "github_repository_id": "22",
    },
}
"""What a site would add, made up."""


def synthesise(folder: Path) -> list[str]:
    """Write the templates below `folder` and return the stacks' names. A finding of cdk-nag raises."""
    stacks = []
    for environment, context in EXAMPLES.items():
        assembly = build(context, str(folder / environment)).synth()
        stacks += [stack.stack_name for stack in assembly.stacks]
    return stacks


if __name__ == "__main__":
    for name in synthesise(Path(sys.argv[1])):
        print(name)  # noqa: T201 what was made
