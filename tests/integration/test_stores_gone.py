"""A store that is gone is told in one line within ten seconds: one that refuses, and one that never answers."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from counterfoil.adapters.aws.ledger import DynamoLedger
from counterfoil.adapters.aws.secrets import read_secret
from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.mlflow_registry.releases import MlflowRegistry
from counterfoil.errors import StoreUnavailableError

CALLS: dict[str, Callable[[str, Path], object]] = {
    "mlflow": lambda url, folder: MlflowRegistry(url, cache=folder).releases(),
    "s3": lambda _, folder: S3Tables("s3://lakes/lake", glue_database="lake", cache=folder).runs("payments"),
    "dynamodb": lambda *_: DynamoLedger("ledger", lease=timedelta(minutes=1)).entries(),
    "secrets manager": lambda *_: read_secret("key"),
}


@pytest.fixture(params=["refuses", "never answers"])
def gone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a server that is gone, on this machine."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "never answers":
            server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("store", CALLS)
def test_within_ten_seconds(gone: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", gone)
    import boto3  # noqa: F401 its import is not what is measured
    import mlflow  # noqa: F401

    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as told:
        CALLS[store](gone, tmp_path)
    assert time.monotonic() - began < 11
    assert "\n" not in str(told.value)
