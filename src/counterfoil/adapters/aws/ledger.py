"""The ledger of input files in a DynamoDB table: claims are leases, renewed while their process lives."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported, error_code
from counterfoil.adapters.aws.leases import HeldLeases
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import LedgerEntry, SourceFile

SKEW = timedelta(seconds=5)
"""By how much the clocks of two machines may differ: a lease is over only this long after its end."""

Item = dict[str, dict[str, Any]]
"""A row as DynamoDB has it, for example {"rows_in": {"N": "10"}}."""

_MINE = "#owner = :owner"
_EARLIER_WORD = "released"
"""What an earlier version called the state `unclaimed`; its rows may stand in the table."""

_FREE = (
    "attribute_not_exists(pk) OR #state IN (:failed, :unclaimed, :released)"
    " OR (#state = :claimed AND lease_end < :over)"
    # The answer to a first try may have been lost: what that wrote is ours.
    f" OR {_MINE}"
)
_SETTLE = "SET #state = :state, rows_in = :in, rows_out = :out, rows_rejected = :rejected, reason = :reason"


class DynamoLedger:
    """A FileLedger in the DynamoDB table `table` (see `create_table`).

    A claim is a lease of the length `lease`, renewed by a thread at a third of it: the claim of a process
    that died is free after `lease` and `skew`. Each claim has a token, and only who knows it settles the
    file, so a claimant that was taken for dead cannot overwrite what its successor did. The object may be
    shared by threads, not by forked processes. `clock` gives seconds since 1970.
    """

    def __init__(
        self, table: str, *, lease: timedelta, skew: timedelta = SKEW, clock: Callable[[], float] = time.time
    ) -> None:
        if lease < timedelta(seconds=1):
            raise UsageError(
                f"a lease of {lease.total_seconds():g} s is too short to be renewed: give a second or more"
            )
        self._table = table
        self._lease = lease
        self._skew = skew
        self._clock = clock
        self._client = aws_client("dynamodb")
        self._held = HeldLeases(lease / 3, self._renew)

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file for this process, with `again` also one that is done.

        False: it is done, or a living process (this one too) has it.
        """
        token = uuid.uuid4().hex
        fresh = {**_new_item(file, mapping), "owner": {"S": token}, "lease_end": self._from_now(self._lease)}
        free_states = ("failed", "unclaimed", _EARLIER_WORD, "claimed", *(["done"] if again else []))
        states = {f":{state}": {"S": state} for state in free_states}
        free = self._happens(
            self._client.put_item,
            Item=fresh,
            ConditionExpression=f"{_FREE} OR #state = :done" if again else _FREE,
            ExpressionAttributeNames={"#state": "state", "#owner": "owner"},
            ExpressionAttributeValues={**states, ":over": self._from_now(-self._skew), ":owner": {"S": token}},
        )
        if free:
            self._held.hold(file, token)
        return free

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:
        """Mark a claimed file as done, with its counts, and end the claim.

        Raises UsageError if this object never held the claim, StoreUnavailableError if it lost it.
        """
        self._settle(file, "done", rows_in, rows_out, rows_rejected, None)

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed and end the claim; raises like `complete`."""
        self._settle(file, "failed", 0, 0, 0, reason)

    def unclaim(self, file: SourceFile) -> None:
        """Give a claim up without a result; raises like `complete`."""
        self._settle(file, "unclaimed", 0, 0, 0, None)

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        with self._reported():
            answer = self._client.get_item(TableName=self._table, Key=_key(file), ConsistentRead=True)
        return _as_entry(answer["Item"]) if "Item" in answer else None

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location and then content hash. Reads the whole table."""
        with self._reported():
            pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
            found = [_as_entry(item) for page in pages for item in page["Items"]]
        return sorted(found, key=lambda entry: (entry.file.location, entry.file.content_hash))

    def close(self) -> None:
        """End all claims: at once, or at the end of their leases if the table cannot be reached."""
        for file, token in self._held.let_go().items():
            try:
                self._set_lease_end(file, token, {"N": "0"})
            except StoreUnavailableError:
                return

    def _settle(
        self, file: SourceFile, state: str, rows_in: int, rows_out: int, rejected: int, reason: str | None
    ) -> None:
        token = self._held.take(file, state)
        counts = {":in": rows_in, ":out": rows_out, ":rejected": rejected}
        values = {":state": _text(state), ":reason": _text(reason), **{k: _number(n) for k, n in counts.items()}}
        try:
            mine = self._update(file, token, _SETTLE, values)
        except BaseException:
            self._held.hold(file, token)  # so that it may be settled in another try, or as failed
            raise
        if not mine:
            raise self._held.lose(file, state)

    def _renew(self, file: SourceFile, token: str) -> bool:
        return self._set_lease_end(file, token, self._from_now(self._lease))

    def _set_lease_end(self, file: SourceFile, token: str, end: dict[str, str]) -> bool:
        return self._update(file, token, "SET lease_end = :end", {":end": end})

    def _update(self, file: SourceFile, token: str, update: str, values: Item) -> bool:
        """Change a row if the claim is still ours; return whether it was."""
        names = {"#owner": "owner"} | ({"#state": "state"} if "#state" in update else {})
        return self._happens(
            self._client.update_item,
            Key=_key(file),
            UpdateExpression=update,
            ConditionExpression=_MINE,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={**values, ":owner": {"S": token}},
        )

    def _happens(self, write: Callable[..., Any], **arguments: Any) -> bool:
        """Write to the table; return False if the condition did not hold."""
        from botocore.exceptions import ClientError

        with self._reported():
            try:
                write(TableName=self._table, **arguments)
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return False
        return True

    def _reported(self) -> AbstractContextManager[None]:
        region = self._client.meta.region_name
        return aws_reported(
            f"the ledger in DynamoDB's table {self._table!r}",
            missing=f"{region} has no such table: deploy the infrastructure, or correct COUNTERFOIL_LEDGER_TABLE",
        )

    def _from_now(self, span: timedelta) -> dict[str, str]:
        return _number(int((self._clock() + span.total_seconds()) * 1000))


def create_table(table: str) -> None:
    """Create a ledger's table unless it is there, paid by request, with point-in-time recovery if that is allowed.

    For tests and a first try: a deployment's table is made by its infrastructure. Raises StoreUnavailableError.
    """
    from botocore.exceptions import ClientError

    client = aws_client("dynamodb")
    with aws_reported(f"the ledger in DynamoDB's table {table!r}"):
        try:
            client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if error_code(error) != "ResourceInUseException":
                raise
        client.get_waiter("table_exists").wait(TableName=table)
    try:
        recovery = {"PointInTimeRecoveryEnabled": True}
        client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)
    except ClientError:
        pass  # the role may not, or it is a stand-in that cannot


def _key(file: SourceFile) -> Item:
    """Return a file's primary key: a hash, since a location may be longer than a key."""
    return {"pk": {"S": hashlib.sha256(f"{file.location}\0{file.content_hash}".encode()).hexdigest()}}


def _new_item(file: SourceFile, mapping: str) -> Item:
    texts = {"location": file.location, "content_hash": file.content_hash, "mapping": mapping, "state": "claimed"}
    counts = dict.fromkeys(("rows_in", "rows_out", "rows_rejected"), _number(0))
    return {**_key(file), **{name: _text(value) for name, value in texts.items()}, **counts, "reason": _text(None)}


def _as_entry(item: Mapping[str, Mapping[str, Any]]) -> LedgerEntry:
    return LedgerEntry(
        SourceFile(item["location"]["S"], item["content_hash"]["S"]),
        item["mapping"]["S"],
        "unclaimed" if item["state"]["S"] == _EARLIER_WORD else item["state"]["S"],
        int(item["rows_in"]["N"]),
        int(item["rows_out"]["N"]),
        int(item["rows_rejected"]["N"]),
        item["reason"].get("S"),
    )


def _text(value: str | None) -> dict[str, Any]:
    return {"NULL": True} if value is None else {"S": value}


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
