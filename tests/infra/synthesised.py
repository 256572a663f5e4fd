"""An environment as it was synthesised: templates by stack, resources by type."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIGEST = f"sha256:{'a' * 64}"
DEV = {"environment": "dev"}
PROD = {
    "environment": "prod",
    "image_tag": "0a1b2c3",
    "scoring_digest": DIGEST,
    "detector_digest": DIGEST,
    "migration_digest": DIGEST,
    "jwt_issuer": "https://login.example.com/",
    "jwt_audience": "counterfoil",
    "domain_name": "fraud.example.com",
    "hosted_zone_id": "Z0123456789ABC",
    "hosted_zone_name": "example.com",
    "sagemaker_domain_id": "d-0123456789ab",
    "quicksight_user_arn": "arn:aws:quicksight:eu-west-1:111122223333:user/default/analyst",
    "alert_email": "fraud@example.com",
    "github_repository": "example/counterfoil",
    "github_owner_id": "11",
    "github_repository_id": "22",
}
"""Every option, so that every construct is made."""


@dataclass(frozen=True)
class Synthesised:
    """The templates of one environment by stack, and the folder they lie in."""

    folder: Path
    templates: Mapping[str, dict[str, Any]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """All resources of a type, by stack and logical id."""
        return {
            f"{stack}/{name}": resource
            for stack, template in self.templates.items()
            for name, resource in template.get("Resources", {}).items()
            if resource["Type"] == kind
        }

    def properties(self, kind: str) -> list[dict[str, Any]]:
        """The properties of all resources of a type."""
        return [resource.get("Properties", {}) for resource in self.of(kind).values()]


def synthesise(context: Mapping[str, str], folder: Path) -> Synthesised:
    """Synthesise with cdk-nag and CloudFormation's own rules; a finding raises."""
    from infra.app import build

    assembly = build(context, str(folder)).synth()
    return Synthesised(folder, {stack.stack_name: _loaded(stack.template_full_path) for stack in assembly.stacks})


def _loaded(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(path).read_text())
    return loaded
