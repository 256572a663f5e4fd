"""What runs in an environment, stopped before it is removed: it would hold its network, and write to its buckets."""

import time
import uuid
from collections.abc import Callable

from infra.deploy.execute import wait
from infra.deploy.place import Place
from pipelines.catalogue import PIPELINES

_LONGEST_SECONDS = 30 * 60
"""A job that is stopped is given two minutes by SageMaker; to bring its results away takes longer."""


def stop(place: Place, pause: Callable[[float], None] = time.sleep) -> None:
    """Stop executions of pipelines, services and tasks. Raises DeployError for an execution that does not stop."""
    _stop_executions(place, pause)
    _stop_tasks(place)


def _stop_executions(place: Place, pause: Callable[[float], None]) -> None:
    sagemaker = place.client("sagemaker")
    for name in PIPELINES:
        called = f"{place.prefix}-{name}"
        try:
            pages = list(sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=called))
        except sagemaker.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
                raise
            continue  # there is no such pipeline
        found = [one for page in pages for one in page["PipelineExecutionSummaries"]]
        for one in found:
            if one["PipelineExecutionStatus"] in ("Executing", "Stopping"):
                arn = str(one["PipelineExecutionArn"])
                sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex)
                place.say(f"  execution {arn.rpartition('/')[2]} of {name} is stopped")
                wait(place, arn, _LONGEST_SECONDS, pause)


def _stop_tasks(place: Place) -> None:
    ecs = place.client("ecs")
    try:
        services = [arn for page in _pages(ecs, "list_services", place) for arn in page["serviceArns"]]
    except ecs.exceptions.ClusterNotFoundException:
        return
    for arn in services:
        ecs.update_service(cluster=place.prefix, service=arn, desiredCount=0)
    for arn in [arn for page in _pages(ecs, "list_tasks", place) for arn in page["taskArns"]]:
        ecs.stop_task(cluster=place.prefix, task=arn, reason="the environment is destroyed")


def _pages(ecs: object, what: str, place: Place) -> list[dict[str, list[str]]]:
    return list(ecs.get_paginator(what).paginate(cluster=place.prefix))  # type: ignore[attr-defined]


def unprotect_database(place: Place) -> None:
    """Let the database be deleted, if there is one."""
    rds = place.client("rds")
    try:
        rds.modify_db_instance(DBInstanceIdentifier=place.prefix, DeletionProtection=False, ApplyImmediately=True)
    except rds.exceptions.DBInstanceNotFoundFault:
        return
