"""Profiles in a DynamoDB table: an item an entity and entry, found by when it was written."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported, error_code
from counterfoil.ports.service import PROFILES_KEPT_FOR, Entry, LogPart

LATE = timedelta(seconds=30)
"""Clocks of writers and the way to the table may differ by this much: a reader reads so much again."""

BY_WRITTEN = "by_written"
"""The local index of an entity's entries by the time of writing."""

Item = dict[str, dict[str, str]]


class DynamoProfiles:
    """A ProfileStore in the DynamoDB table `table` (see `create_table`). A position is milliseconds since 1970.

    `clock` gives seconds since 1970. Conditional writes keep the first content of an id.
    """

    def __init__(self, table: str, *, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._client = aws_client("dynamodb")

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries that their entities do not have yet; the first content of an id stays."""
        from botocore.exceptions import ClientError

        with self._reported():
            for entry in entries:
                try:
                    self._client.put_item(
                        TableName=self._table,
                        Item=self._item(entry),
                        ConditionExpression="attribute_not_exists(entity)",
                    )
                except ClientError as error:
                    if error_code(error) != "ConditionalCheckFailedException":
                        raise

    def read(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        """Return what is new to the reader of each entity; position 0 is the beginning."""
        now = int((self._clock() - LATE.total_seconds()) * 1000)
        with self._reported():
            return {entity: LogPart(self._since(entity, since), max(now, since)) for entity, since in positions.items()}

    def _since(self, entity: str, position: int) -> tuple[Entry, ...]:
        items = self._items(
            IndexName=BY_WRITTEN,
            KeyConditionExpression="entity = :entity AND written >= :written",
            ExpressionAttributeValues={":entity": {"S": entity}, ":written": {"N": str(position)}},
        )
        return tuple(sorted(map(_as_entry, items), key=lambda entry: (entry.at, entry.entry_id)))

    def _items(self, **query: Any) -> Iterator[Item]:
        pages = self._client.get_paginator("query").paginate(TableName=self._table, ConsistentRead=True, **query)
        for page in pages:
            yield from page["Items"]

    def expire(self, before: datetime) -> int:  # noqa: ARG002 the table does it
        """Remove nothing: DynamoDB removes entries by itself, `PROFILES_KEPT_FOR` after their time."""
        return 0

    def forget(self, entities: Collection[str], transactions: Collection[str]) -> int:
        """Remove the logs of entities, and the entries of transactions from all logs; return how many entries.

        Finds the transactions by reading the whole table.
        """
        with self._reported():
            keys = [key for entity in entities for key in self._keys(entity)]
            if transactions:
                keys += [key for key in self._keys_of(frozenset(transactions)) if key not in keys]
            for key in keys:
                self._client.delete_item(TableName=self._table, Key=key)
        return len(keys)

    def _keys(self, entity: str) -> Iterator[Item]:
        items = self._items(
            KeyConditionExpression="entity = :entity", ExpressionAttributeValues={":entity": {"S": entity}}
        )
        return ({name: item[name] for name in ("entity", "entry_id")} for item in items)

    def _keys_of(self, transactions: frozenset[str]) -> Iterator[Item]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                if json.loads(item["content"]["S"]).get("transaction_id") in transactions:
                    yield {name: item[name] for name in ("entity", "entry_id")}

    def ping(self) -> None:
        """Raise StoreUnavailableError if the store does not answer."""
        with self._reported():
            self._client.query(  # what reading needs, and no right beside it
                TableName=self._table,
                KeyConditionExpression="entity = :entity",
                ExpressionAttributeValues={":entity": {"S": "nobody"}},
                Limit=1,
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _item(self, entry: Entry) -> Item:
        return {
            "entity": {"S": entry.entity},
            "entry_id": {"S": entry.entry_id},
            "at": {"S": entry.at.astimezone(UTC).isoformat()},
            "content": {"S": json.dumps(dict(entry.content))},
            "written": {"N": str(int(self._clock() * 1000))},
            "expires": {"N": str(int((entry.at + PROFILES_KEPT_FOR).timestamp()))},
        }

    def _reported(self) -> AbstractContextManager[None]:
        region = self._client.meta.region_name
        return aws_reported(
            f"the profiles in DynamoDB's table {self._table!r}",
            missing=f"{region} has no such table: deploy the infrastructure, or correct COUNTERFOIL_PROFILE_TABLE",
        )


def create_table(table: str) -> None:
    """Create a table of profiles unless it is there, paid by request, with expiry.

    For tests and a first try: a deployment's table is made by its infrastructure. Raises StoreUnavailableError.
    """
    from botocore.exceptions import ClientError

    client = aws_client("dynamodb")
    with aws_reported(f"the profiles in DynamoDB's table {table!r}"):
        try:
            client.create_table(
                TableName=table,
                AttributeDefinitions=[
                    {"AttributeName": "entity", "AttributeType": "S"},
                    {"AttributeName": "entry_id", "AttributeType": "S"},
                    {"AttributeName": "written", "AttributeType": "N"},
                ],
                KeySchema=[
                    {"AttributeName": "entity", "KeyType": "HASH"},
                    {"AttributeName": "entry_id", "KeyType": "RANGE"},
                ],
                LocalSecondaryIndexes=[
                    {
                        "IndexName": BY_WRITTEN,
                        "KeySchema": [
                            {"AttributeName": "entity", "KeyType": "HASH"},
                            {"AttributeName": "written", "KeyType": "RANGE"},
                        ],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                ],
                BillingMode="PAY_PER_REQUEST",
            )
            client.get_waiter("table_exists").wait(TableName=table)
            expiry = {"Enabled": True, "AttributeName": "expires"}
            client.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
        except ClientError as error:
            if error_code(error) != "ResourceInUseException":
                raise


def _as_entry(item: Mapping[str, Mapping[str, str]]) -> Entry:
    return Entry(
        item["entity"]["S"],
        item["entry_id"]["S"],
        datetime.fromisoformat(item["at"]["S"]),
        json.loads(item["content"]["S"]),
    )
