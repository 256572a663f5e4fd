"""What a pipeline is started on: which state of the raw files and of the lake does it see?"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from counterfoil.domain.intake.file_names import why_left_out
from counterfoil.errors import NotFoundError
from counterfoil.processing.collector import location_of
from counterfoil.steps.lake.runs import RUN_DIGITS, place_of
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings

LakeRun = tuple[str, str]
"""A published run: its name, and that of its files' folder, which never comes twice."""

_DIGITS = 32
_SHA256_DIGITS = 64


def input_version(
    uri: str, settings: PipelineSettings, workspace: Path, lake_runs: Iterable[LakeRun], failed: Collection[str] = ()
) -> str:
    """Digest (hex) of what an execution reads: the raw files below `uri`, and what others brought into the lake.

    `lake_runs` are the published runs of the tables that it reads: one that was replaced is another, and its files have
    other keys. Those of the raw files themselves do not count, so that an execution that published them is still the
    same when it is started again; in S3, where contents are not read, those of earlier contents of the same objects do
    not either. `uri` is 's3://bucket/prefix', or
    a file or folder of this machine; the local bucket is the folder `workspace`. In S3 an object's ETag stands
    for its content. If one of them is among the locations `failed`, which could not be collected before, the digest is
    a new one: it is tried again. Raises NotFoundError if there is nothing.
    """
    here = not uri.startswith("s3://") or urlsplit(uri).netloc == LOCAL_BUCKET
    found = _local_files(uri, workspace) if here else _s3_files(uri, settings)
    files = {name: state for name, state in found if why_left_out(name.rpartition("/")[2]) is None}
    if not files:
        raise NotFoundError(f"no raw files under {uri!r}: put them there, or give another RawUri")
    own = tuple(f"-{_of_run(files[name])}{place_of(location_of(uri, name))}" for name in files)
    others = sorted(f"{run}\t{folder}" for run, folder in lake_runs if not run.endswith(own))
    again = [secrets.token_hex(8)] if any(location_of(uri, name) in failed for name in files) else []
    lines = [*sorted(f"{name}\t{state}" for name, state in files.items()), *others, *again]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def _local_files(uri: str, workspace: Path) -> Iterable[tuple[str, str]]:
    from pipelines.local.errors import ClientError
    from pipelines.local.objects import Objects

    try:
        objects = Objects(workspace).listing(uri)
    except ClientError:
        return []
    return [(item.name, f"{item.path.stat().st_size}\t{_content(item.path)}") for item in objects]


def _of_run(state: str) -> str:
    """What the name of a file's run has of its content, where that is known."""
    digest = state.partition("\t")[2]
    return f"{digest[:RUN_DIGITS]}-" if len(digest) == _SHA256_DIGITS else ""


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _s3_files(uri: str, settings: PipelineSettings) -> Iterable[tuple[str, str]]:
    import boto3

    from pipelines.aws_errors import aws_call

    parts = urlsplit(uri)
    prefix = uri.removeprefix(f"s3://{parts.netloc}/")
    with aws_call(f"list {uri}", settings):
        pages = boto3.client("s3", region_name=settings.region).get_paginator("list_objects_v2")
        listing = pages.paginate(Bucket=parts.netloc, Prefix=prefix)
        return [
            (item["Key"].removeprefix(prefix).lstrip("/") or Path(prefix).name, f"{item['Size']}\t{item['ETag']}")
            for page in listing for item in page.get("Contents", [])
        ]  # fmt: skip
