"""What CloudFormation leaves of an environment: found by its names, removed, and looked for once more."""

from collections.abc import Callable, Mapping
from typing import Any

from infra.deploy.objects import buckets
from infra.deploy.place import Place
from infra.repositories import IMAGES

_AT_ONCE = 10
"""How many task definitions ECS removes at one request."""


def remove(place: Place) -> None:
    """Remove logs, task definitions, the database's snapshots, and secrets that would wait for their recovery."""
    logs, rds, secrets = place.client("logs"), place.client("rds"), place.client("secretsmanager")
    for group in log_groups(place):
        logs.delete_log_group(logGroupName=group)
    _remove_task_definitions(place)
    for snapshot in snapshots(place):
        rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot)
    for secret in named_secrets(place):
        secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def remove_images(place: Place) -> None:
    """Remove the repositories with their images, whichever environment pushed them."""
    ecr = place.client("ecr")
    for name in IMAGES:
        try:
            ecr.delete_repository(repositoryName=f"counterfoil-{name}", force=True)
        except ecr.exceptions.RepositoryNotFoundException:
            continue


def left(place: Place) -> list[str]:
    """What bears the environment's name and is there, as `kind name`."""
    return [f"{kind} {name}" for kind, find in _KINDS.items() for name in sorted(find(place))]


def log_groups(place: Place) -> list[str]:
    """Logs of tasks, address, network, database, cluster and canary."""
    name = place.prefix
    begins = (
        f"/{name}/", f"{name}-", f"/aws/rds/instance/{name}/", f"/aws/ecs/containerinsights/{name}/",
        f"/aws/lambda/cwsyn-{name}-",
    )  # fmt: skip
    return [
        group["logGroupName"]
        for begin in begins
        for page in _pages(place, "logs", "describe_log_groups", logGroupNamePrefix=begin)
        for group in page["logGroups"]
    ]


def task_definitions(place: Place, *states: str) -> list[str]:
    """Revisions of the environment's task definitions that are in one of `states`."""
    families = [
        family
        for page in _pages(place, "ecs", "list_task_definition_families", familyPrefix=f"{place.prefix}-")
        for family in page["families"]
        if family.startswith(f"{place.prefix}-")
    ]
    return [
        arn
        for family in families
        for state in states
        for page in _pages(place, "ecs", "list_task_definitions", familyPrefix=family, status=state)
        for arn in page["taskDefinitionArns"]
    ]


def _remove_task_definitions(place: Place) -> None:
    ecs = place.client("ecs")
    for arn in task_definitions(place, "ACTIVE"):
        ecs.deregister_task_definition(taskDefinition=arn)
    idle = task_definitions(place, "INACTIVE")
    for first in range(0, len(idle), _AT_ONCE):
        ecs.delete_task_definitions(taskDefinitions=idle[first : first + _AT_ONCE])


def snapshots(place: Place) -> list[str]:
    """Snapshots of the database that outlive it."""
    pages = _pages(place, "rds", "describe_db_snapshots", DBInstanceIdentifier=place.prefix, SnapshotType="manual")
    return [one["DBSnapshotIdentifier"] for page in pages for one in page["DBSnapshots"]]


def named_secrets(place: Place) -> list[str]:
    """Secrets, also those that wait for their recovery."""
    pages = _pages(place, "secretsmanager", "list_secrets", IncludePlannedDeletion=True)
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    return [name for name in names if name.startswith(f"{place.prefix}/")]


def _stacks(place: Place) -> list[str]:
    stacks = [one for page in _pages(place, "cloudformation", "describe_stacks") for one in page["Stacks"]]
    return [
        stack["StackName"]
        for stack in stacks
        if stack["StackName"].startswith(f"{place.prefix}-") and stack["StackStatus"] != "DELETE_COMPLETE"
    ]


def _tables(place: Place) -> list[str]:
    pages = _pages(place, "dynamodb", "list_tables")
    return [name for page in pages for name in page["TableNames"] if name.startswith(f"{place.prefix}-")]


def _streams(place: Place) -> list[str]:
    pages = _pages(place, "kinesis", "list_streams")
    return [name for page in pages for name in page["StreamNames"] if name.startswith(f"{place.prefix}-")]


def _queues(place: Place) -> list[str]:
    pages = _pages(place, "sqs", "list_queues", QueueNamePrefix=f"{place.prefix}-")
    return [url for page in pages for url in page.get("QueueUrls", [])]


def _topics(place: Place) -> list[str]:
    arns = [topic["TopicArn"] for page in _pages(place, "sns", "list_topics") for topic in page["Topics"]]
    return [arn for arn in arns if arn.rpartition(":")[2].startswith(f"{place.prefix}-")]


def _roles(place: Place) -> list[str]:
    names = [role["RoleName"] for page in _pages(place, "iam", "list_roles") for role in page["Roles"]]
    return [name for name in names if name.startswith(f"{place.prefix}-")]


def _databases(place: Place) -> list[str]:
    found = [one for page in _pages(place, "rds", "describe_db_instances") for one in page["DBInstances"]]
    return [one["DBInstanceIdentifier"] for one in found if one["DBInstanceIdentifier"] == place.prefix]


def _clusters(place: Place) -> list[str]:
    described = place.client("ecs").describe_clusters(clusters=[place.prefix])["clusters"]
    return [cluster["clusterName"] for cluster in described if cluster["status"] == "ACTIVE"]


_KINDS: Mapping[str, Callable[[Place], list[str]]] = {
    "stack": _stacks,
    "bucket": buckets,
    "table": _tables,
    "database": _databases,
    "snapshot": snapshots,
    "secret": named_secrets,
    "stream": _streams,
    "queue": _queues,
    "topic": _topics,
    "cluster": _clusters,
    "task definition": lambda place: task_definitions(place, "ACTIVE", "INACTIVE"),
    "log group": log_groups,
    "role": _roles,
}


def _pages(place: Place, service: str, operation: str, **asked: Any) -> Any:
    return place.client(service).get_paginator(operation).paginate(**asked)
