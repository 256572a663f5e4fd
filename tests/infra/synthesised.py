"""An environment as it was synthesised: templates by stack, resources by type."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.synth import EXAMPLES

DEV, PROD = EXAMPLES["dev"], EXAMPLES["prod"]
DIGEST = PROD["scoring_digest"]


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
