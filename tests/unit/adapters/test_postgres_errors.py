"""Failures of a connection name the place and never the password."""

import traceback

import pytest

from counterfoil.adapters.postgres.connections import connect
from counterfoil.errors import StoreUnavailableError


def _failure(dsn: str) -> str:
    """Return the whole traceback of a failed connection."""
    with pytest.raises(StoreUnavailableError) as caught:
        connect(dsn)
    return "".join(traceback.format_exception(caught.value)).replace(repr(dsn), "")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter2@127.0.0.1:1/base",
        "host=127.0.0.1 port=1 dbname=base user=me password=hunter2",
        "postgresql://me:p@hunter2@127.0.0.1:1/base",
        "postgresql://me:hunter2@[127.0.0.1:1/base",
        "host=127.0.0.1 port=1 password=hunter2 nonsense",
        "host=/nowhere/at/all password=hunter2",
    ],
)
def test_the_message_has_a_cure_and_no_password(dsn: str) -> None:
    text = _failure(dsn)
    assert "hunter2" not in text
    assert "DSN" in text


def test_the_message_names_host_port_and_database() -> None:
    text = _failure("postgresql://me:hunter2@127.0.0.1:1/base")
    assert "127.0.0.1, port 1, database base" in text
    assert "start the server" in text
