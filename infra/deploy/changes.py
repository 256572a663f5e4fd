"""What a deployment would destroy: it is found before anything is touched."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.deploy.place import DeployError, Place

Template = Mapping[str, Any]

KEEPING = (
    "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::RDS::DBInstance", "AWS::KMS::Key", "AWS::SecretsManager::Secret",
    "AWS::Kinesis::Stream", "AWS::ECR::Repository", "AWS::SageMaker::MlflowApp", "AWS::Glue::Table",
)  # fmt: skip
"""Types whose loss is a loss of data."""
ALSO_REPLACES: Mapping[str, tuple[str, ...]] = {
    "AWS::DynamoDB::Table": ("KeySchema", "LocalSecondaryIndexes"),
    "AWS::RDS::DBInstance": (
        "AvailabilityZone", "DBSnapshotIdentifier", "Engine", "Port", "SourceDBInstanceIdentifier",
    ),
}  # fmt: skip
"""Properties whose change replaces a resource, of which the schemas say 'sometimes' or nothing."""


def destroyed(stack: str, deployed: Template, wanted: Template, region: str) -> list[str]:
    """What keeps data and would be deleted or replaced, each with the reason.

    A resource is replaced if a property differs that can only be given when it is made; CloudFormation's own
    schemas, which cfn-lint brings along, say which these are, but for `ALSO_REPLACES`.
    """
    before, after = deployed.get("Resources", {}), wanted.get("Resources", {})
    return [
        f"{stack}: {resource['Type']} {name} would be {fate}"
        for name, resource in before.items()
        if resource["Type"] in KEEPING and (fate := _fate(resource, after.get(name), region))
    ]


def _fate(before: Template, after: Template | None, region: str) -> str | None:
    if after is None:
        return "deleted"
    if after["Type"] != before["Type"]:
        return f"replaced by a {after['Type']}"
    old, new = before.get("Properties", {}), after.get("Properties", {})
    changed = [path for path in _create_only(before["Type"], region) if _at(old, path) != _at(new, path)]
    return f"replaced ({', '.join('.'.join(path) for path in changed)} changes)" if changed else None


def _create_only(kind: str, region: str) -> list[tuple[str, ...]]:
    """Properties of a type that cannot change while it lives."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind).schema
    declared = [tuple(path.split("/")[2:]) for path in schema.get("createOnlyProperties", [])]
    return [*declared, *((name,) for name in ALSO_REPLACES.get(kind, ()))]


def _at(properties: Any, path: Iterable[str]) -> Any:
    for name in path:
        properties = properties.get(name) if isinstance(properties, Mapping) else None
    return properties


def require_nothing_destroyed(place: Place, synthesised: Path) -> None:
    """Compare what is deployed with what was synthesised. Raises DeployError that names every resource in danger."""
    cloudformation = place.client("cloudformation")
    endangered = []
    for path in sorted(synthesised.glob("*.template.json")):
        stack = path.name.removesuffix(".template.json")
        deployed = _deployed(cloudformation, stack)
        wanted = json.loads(path.read_text(encoding="utf-8"))
        endangered += destroyed(stack, deployed, wanted, place.environment.region)
    if endangered:
        raise DeployError(
            "stopped before any stack was changed:\n  " + "\n  ".join(endangered) + "\nIf that is wanted: save what it "
            "holds (infra/README.md, 'Restore'), then deploy this stack by hand with `npx cdk deploy`"
        )


def _deployed(cloudformation: Any, stack: str) -> Template:
    """The template of a stack as it was deployed; an empty one if there is no such stack."""
    try:
        body = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    except cloudformation.exceptions.ClientError as error:
        if (
            error.response["Error"]["Code"] == "ValidationError"
        ):  # what CloudFormation says of a stack that is not there
            return {}
        raise
    found: Template = json.loads(body) if isinstance(body, str) else body
    return found
