"""The buckets of an environment, emptied with all versions: CloudFormation deletes none that has objects."""

from typing import Any

from infra.deploy.place import DeployError, Place

_AT_ONCE = 1_000
"""How many objects S3 removes at one request."""


def buckets(place: Place) -> list[str]:
    """The environment's buckets; that of the access logs last, as the others write to it."""
    names = [bucket["Name"] for bucket in place.client("s3").list_buckets()["Buckets"]]
    mine = [name for name in names if name.startswith(f"{place.prefix}-")]
    return sorted(mine, key=lambda name: (name.startswith(f"{place.prefix}-logs-"), name))


def empty_buckets(place: Place) -> None:
    """Remove every version of every object. Raises DeployError that names what S3 refuses to remove."""
    s3 = place.client("s3")
    for name in buckets(place):
        s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
        removed = _empty(s3, name)
        if removed:
            place.say(f"  {name}: {removed} versions of objects removed")


def _empty(s3: Any, bucket: str) -> int:
    removed = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, MaxKeys=_AT_ONCE):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not found:
            continue
        named = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True}).get("Errors", [])
        if refused:
            first = refused[0]
            raise DeployError(
                f"{len(refused)} objects of bucket {bucket} could not be removed, as {first['Key']} "
                f"({first.get('Code')}: {first.get('Message')})"
            )
        removed += len(named)
    return removed
