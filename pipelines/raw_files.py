"""The raw files that a pipeline is started on: which state of them does it see?"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from counterfoil.errors import NotFoundError
from counterfoil.settings import LOCAL_BUCKET, PipelineSettings

_DIGITS = 32


def raw_version(uri: str, settings: PipelineSettings, workspace: Path) -> str:
    """Digest (hex) of the names, sizes and contents below a raw prefix, so that it names their state.

    `uri` is 's3://bucket/prefix', or a file or folder of this machine; the local bucket is the folder `workspace`.
    In S3 an object's ETag stands for its content. Raises NotFoundError if there is nothing.
    """
    here = not uri.startswith("s3://") or urlsplit(uri).netloc == LOCAL_BUCKET
    lines = sorted(_local_lines(uri, workspace) if here else _s3_lines(uri, settings))
    if not lines:
        raise NotFoundError(f"no raw files under {uri!r}: put them there, or give another RawUri")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def _local_lines(uri: str, workspace: Path) -> Iterable[str]:
    from pipelines.local.errors import ClientError
    from pipelines.local.objects import Objects

    try:
        objects = Objects(workspace).listing(uri)
    except ClientError:
        return []
    return [f"{item.name}\t{item.path.stat().st_size}\t{_content(item.path)}" for item in objects]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _s3_lines(uri: str, settings: PipelineSettings) -> Iterable[str]:
    import boto3

    from pipelines.aws_errors import aws_call

    parts = urlsplit(uri)
    prefix = uri.removeprefix(f"s3://{parts.netloc}/")
    with aws_call(f"list {uri}", settings):
        pages = boto3.client("s3", region_name=settings.region).get_paginator("list_objects_v2")
        listing = pages.paginate(Bucket=parts.netloc, Prefix=prefix)
        return [
            f"{item['Key'].removeprefix(prefix)}\t{item['Size']}\t{item['ETag']}"
            for page in listing for item in page.get("Contents", [])
        ]  # fmt: skip
