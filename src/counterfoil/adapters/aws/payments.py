"""Payments from a Kinesis data stream, without a JVM.

Shards are read in turn, one by one. With leases, readers of one name share the shards, and those of a reader that died
go to the others; without, each reads the whole stream. A shard that came of a split or merge is read when its parents
have ended: whoever reads a parent to its end lets go of it, and another one who waits for that finds its end, too.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported, error_code
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.service import Record
from counterfoil.ports.shard_leases import ShardLeases

AT_ONCE = 500
PAUSE = 0.25
"""Between two rounds: five reads a second are what AWS allows a shard."""
LOOK_AGAIN = 60.0
"""Seconds after which new shards are looked for."""
RENEW = 8.0
"""Seconds after which leases are renewed: a lease outlives two renewals that fail."""


class KinesisPayments:
    """A PaymentStream over the shards of a stream. `at_once` records at most come together.

    With `until_idle`, the stream ends where no shard gives anything any more, for tests and for catching up.
    `leases` are looked at every `renew` seconds; `checkpoints_now` tells where others ended who had a shard before.
    """

    def __init__(
        self,
        stream: str,
        *,
        at_once: int = AT_ONCE,
        until_idle: bool = False,
        sleep: Callable[[float], object] = time.sleep,
        leases: ShardLeases | None = None,
        checkpoints_now: Callable[[], Mapping[str, str]] = dict,
        renew: float = RENEW,
    ) -> None:
        self._stream = stream
        self._at_once = at_once
        self._until_idle = until_idle
        self._sleep = sleep
        self._leases = leases
        self._checkpoints_now = checkpoints_now
        self._renew = renew
        self._client = aws_client("kinesis")

    def records(self, checkpoints: Mapping[str, str]) -> Iterator[Sequence[Record]]:
        """Yield records after the checkpoint of each shard; empty where none came. Raises StoreUnavailableError."""
        try:
            yield from self._records(checkpoints)
        finally:
            if self._leases is not None:
                with suppress(StoreUnavailableError):  # then they end by themselves
                    self._leases.leave()

    def _records(self, checkpoints: Mapping[str, str]) -> Iterator[Sequence[Record]]:
        places = dict(checkpoints)
        iterators: dict[str, str] = {}
        ended: set[str] = set()
        readable: list[str] = []
        looked_at = asked_at = float("-inf")
        while True:
            if time.monotonic() - looked_at > LOOK_AGAIN or not readable:
                looked_at, asked_at = time.monotonic(), float("-inf")
                readable = self._readable(ended)
            if time.monotonic() - asked_at >= self._renew:
                asked_at = time.monotonic()
                self._share(readable, iterators, places)
            behind = False
            for shard in list(iterators):
                found, following, is_behind = self._read(shard, iterators[shard], places.get(shard))
                behind |= is_behind
                if following is None:
                    del iterators[shard]
                    ended.add(shard)
                    looked_at = float("-inf")  # its children can be read now
                else:
                    iterators[shard] = following
                if found:
                    yield found
                    places[shard] = found[-1].sequence
            if not behind:
                if self._until_idle:
                    return
                yield []
                self._sleep(PAUSE)

    def _share(self, readable: Sequence[str], iterators: dict[str, str], places: dict[str, str]) -> None:
        """Begin to read the shards that are this reader's by now, and end reading those that are not any more."""
        if self._leases is None:
            mine = frozenset(readable)
        else:
            mine = self._leases.mine(readable)
            if mine - iterators.keys():
                places.update(self._checkpoints_now())
        for shard in iterators.keys() - mine:
            del iterators[shard]
        for shard in sorted(mine - iterators.keys()):
            iterators[shard] = self._iterator(shard, places.get(shard))

    def _readable(self, ended: set[str]) -> list[str]:
        """The shards that have not ended and whose parents have, or are no longer kept by AWS."""
        shards = self._shards()
        names = {shard["ShardId"] for shard in shards}

        def waits(shard: Mapping[str, Any]) -> bool:
            parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} & names
            return bool(parents - ended)

        return [shard["ShardId"] for shard in shards if shard["ShardId"] not in ended and not waits(shard)]

    def _shards(self) -> list[dict[str, Any]]:
        with self._reported():
            pages = self._client.get_paginator("list_shards").paginate(StreamName=self._stream)
            return [shard for page in pages for shard in page["Shards"]]

    def _iterator(self, shard: str, after: str | None) -> str:
        start = {"ShardIteratorType": "TRIM_HORIZON"}
        if after is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        with self._reported():
            answer = self._client.get_shard_iterator(StreamName=self._stream, ShardId=shard, **start)
        return str(answer["ShardIterator"])

    def _read(self, shard: str, iterator: str, after: str | None) -> tuple[list[Record], str | None, bool]:
        """Some records, the iterator that follows (None: the shard has ended), and whether there are more already."""
        from botocore.exceptions import ClientError

        with self._reported():
            try:
                answer = self._client.get_records(ShardIterator=iterator, Limit=self._at_once)
            except ClientError as error:
                if error_code(error) != "ExpiredIteratorException":  # it lasts five minutes
                    raise
                answer = self._client.get_records(ShardIterator=self._iterator(shard, after), Limit=self._at_once)
        found = [Record(shard, str(one["SequenceNumber"]), bytes(one["Data"])) for one in answer["Records"]]
        more = bool(found) and (answer.get("MillisBehindLatest", 0) > 0 or len(found) >= self._at_once)
        return found, answer.get("NextShardIterator"), more

    def _reported(self) -> AbstractContextManager[None]:
        return aws_reported(
            f"the stream {self._stream!r} of Kinesis", missing="there is no such stream: correct its name or the region"
        )
