"""Objects in S3 below one prefix: conditional writes, transfers of many files at once, paged listings."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported, error_code
from counterfoil.errors import StoreUnavailableError, UsageError

_URI = re.compile(r"s3://([^/]+)((?:/[^/]+)*)/?")
_PAGE = 1000  # the most that S3 lists or removes in one call
_LOST_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409"}
_GONE = {"NoSuchKey", "404", "PreconditionFailed", "412"}
_CURES = {
    "NoSuchBucket": "this bucket does not exist: make it, or correct the address",
    "403": "let this role list, read, write and remove objects there (the bucket's and the key's policy count too)",
    "InvalidAccessKeyId": "log in to AWS again, or correct the credentials in the environment",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION to it",
}


class S3Objects:
    """The objects below `uri`, s3://bucket/prefix; keys are relative to it.

    All methods raise StoreUnavailableError, which names the address, the reason and a way out.
    """

    def __init__(self, uri: str) -> None:
        match = _URI.fullmatch(uri)
        if match is None:
            raise UsageError(f"{uri!r} is no 's3://bucket/prefix'")
        self.uri = uri.rstrip("/")
        self.bucket = match[1]
        self.prefix = match[2].lstrip("/")
        self._opened: tuple[int, Any] | None = None

    def place(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self.uri}/{key}"

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and ETag, or None if there is none."""
        with self._reported() as client:
            try:
                answer = client.get_object(Bucket=self.bucket, Key=self._key(key))
                return answer["Body"].read(), answer["ETag"]
            except client.exceptions.NoSuchKey:
                return None

    def write(self, key: str, content: bytes, *, over: str | None) -> bool:
        """Write an object over the one with the ETag `over`, or where there is none; False: there is another."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with self._reported() as client:
            try:
                client.put_object(Bucket=self.bucket, Key=self._key(key), Body=content, **condition)
            except ClientError as error:
                if error_code(error) in _LOST_RACE:
                    return False
                raise
        return True

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files (by key), several at once, large ones in parts."""
        with self._transfers() as transfers:
            for future in [transfers.upload(str(path), self.bucket, self._key(key)) for key, path in files.items()]:
                future.result()

    def download(self, files: Mapping[str, Path]) -> set[str]:
        """Read objects (by key) to files, several at once; each appears whole or not. Return the keys not found."""
        from botocore.exceptions import ClientError

        gone = set()
        with self._transfers() as transfers:
            parts = {key: transfers.download(self.bucket, self._key(key), str(path)) for key, path in files.items()}
            for key, future in parts.items():
                try:
                    future.result()
                except ClientError as error:
                    if error_code(error) not in _GONE:
                        raise
                    gone.add(key)
        return gone

    def folders(self, key: str) -> list[str]:
        """Return what stands below the folder `key`, which ends with '/', as keys ending with '/'."""
        pages = self._pages(key, Delimiter="/")
        return [found["Prefix"][len(self._key("")) :] for page in pages for found in page.get("CommonPrefixes", [])]

    def modified(self, key: str) -> list[datetime]:
        """Return when each object below the folder `key`, which ends with '/', was written."""
        return [found["LastModified"] for page in self._pages(key) for found in page.get("Contents", [])]

    def remove(self, key: str) -> None:
        """Remove all objects below the folder `key`, which ends with '/'."""
        found = [{"Key": item["Key"]} for page in self._pages(key) for item in page.get("Contents", [])]
        with self._reported() as client:
            for start in range(0, len(found), _PAGE):
                some = {"Objects": found[start : start + _PAGE], "Quiet": True}
                refused = client.delete_objects(Bucket=self.bucket, Delete=some).get("Errors", [])
                if refused:
                    raise StoreUnavailableError(
                        f"{self.place(key)}: {len(refused)} objects were not removed ({refused[0].get('Code')}): "
                        "let this role remove them, then publish again"
                    )

    def _pages(self, key: str, **more: str) -> list[dict[str, Any]]:
        with self._reported() as client:
            listing = client.get_paginator("list_objects_v2")
            paging = {"PageSize": _PAGE}
            return list(listing.paginate(Bucket=self.bucket, Prefix=self._key(key), PaginationConfig=paging, **more))

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    @contextmanager
    def _transfers(self) -> Iterator[Any]:
        """Yield boto3's transfer manager; leaving on an error drops what is still to be carried."""
        from boto3.s3.transfer import S3TransferRetriesExceededError, TransferConfig, create_transfer_manager

        config = TransferConfig(preferred_transfer_client="classic")
        with self._reported() as client:
            try:
                with create_transfer_manager(client, config) as transfers:
                    yield transfers
            except S3TransferRetriesExceededError as error:
                reason = type(error.last_exception).__name__
                raise StoreUnavailableError(f"{self.uri}: a transfer broke off ({reason}): try again") from None

    @contextmanager
    def _reported(self) -> Iterator[Any]:
        """Yield a client; say in words what goes wrong."""
        with aws_reported(self.uri):
            from botocore.exceptions import ClientError

            try:
                yield self._client()
            except ClientError as error:
                code, denial = error_code(error), ""
                if code == "AccessDenied":  # AWS names the action and the role; its other messages may quote secrets
                    code, denial = "403", f": {error.response['Error'].get('Message', '')}"
                if code not in _CURES:
                    raise
                raise StoreUnavailableError(f"{self.uri} is not available ({code}{denial}): {_CURES[code]}") from None

    def _client(self) -> Any:
        """Return this process's client: connections cannot be shared with a parent process."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), aws_client("s3"))
        return self._opened[1]
