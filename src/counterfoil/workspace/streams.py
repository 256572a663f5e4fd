"""The streams of payments that a workspace watches."""

from counterfoil.adapters.aws.payments import KinesisPayments
from counterfoil.adapters.postgres.shard_leases import PostgresShardLeases
from counterfoil.ports.service import PaymentStream
from counterfoil.workspace.wiring import Workspace


def shared_kinesis(place: Workspace, stream: str, name: str) -> PaymentStream:
    """A Kinesis data stream whose shards all watchers of that name share."""
    return KinesisPayments(
        stream, leases=PostgresShardLeases(place.login, name), checkpoints_now=lambda: place.checkpoints.load(name)
    )
