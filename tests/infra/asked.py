"""Which rights a piece of work needs: each request of boto3 meanwhile, as IAM calls it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

RIGHT_OF = {
    "HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
}  # fmt: skip
"""Rights of S3 that are not called like the requests they allow."""


@contextmanager
def asked_for() -> Iterator[set[str]]:
    """The rights, as `service:Action`, that this process's requests to AWS need meanwhile."""
    from botocore.client import BaseClient

    rights: set[str] = set()
    ask = BaseClient._make_api_call

    def record(client: Any, operation: str, arguments: Any) -> Any:
        rights.add(f"{client.meta.service_model.signing_name}:{RIGHT_OF.get(operation, operation)}")
        return ask(client, operation, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", record)
        yield rights
