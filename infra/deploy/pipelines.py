"""The pipelines' definitions on SageMaker: brought to a tag, or back."""

import json
from collections.abc import Mapping

from counterfoil.workspace.settings import PipelineSettings
from infra.deploy.place import DeployError, Place
from infra.parts.pipelines import SETTINGS
from pipelines.catalogue import PIPELINES, definition, pipeline_name

Definitions = Mapping[str, str]
"""Definitions as SageMaker has them, by the pipeline's name there."""


def deployed_definitions(place: Place) -> Definitions:
    """What SageMaker has now."""
    sagemaker, found = place.client("sagemaker"), {}
    for name in PIPELINES:
        called = f"{place.prefix}-{name}"
        try:
            found[called] = sagemaker.describe_pipeline(PipelineName=called)["PipelineDefinition"]
        except sagemaker.exceptions.ResourceNotFound:
            continue
        except sagemaker.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
                raise
    return found


def wanted_definitions(place: Place, tag: str) -> Definitions:
    """This commit's definitions with the images of `tag`. Raises DeployError for a stack without settings."""
    values = json.loads(place.output("training", SETTINGS))
    settings = PipelineSettings.model_validate({**values, "image_tag": tag})
    return {pipeline_name(name, settings): definition(name, settings) for name in PIPELINES}


def put_definitions(place: Place, definitions: Definitions) -> list[str]:
    """Give SageMaker these definitions; return the names of the pipelines that changed.

    CloudFormation made the pipelines. It looks at its own template only, so what a rollback has changed is
    brought level here.
    """
    before, sagemaker = deployed_definitions(place), place.client("sagemaker")
    missing = definitions.keys() - before.keys()
    if missing:
        raise DeployError(
            f"there is no pipeline {', '.join(sorted(missing))}: deploy the stack {place.prefix}-training"
        )
    changed = [name for name in definitions if not _same(before[name], definitions[name])]
    for name in changed:
        sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definitions[name])
    return changed


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))
