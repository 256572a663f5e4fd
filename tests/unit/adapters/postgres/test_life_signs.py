"""A claim's transaction lives as long as the claim: whatever ends transactions that wait, and in nobody's way."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from counterfoil.adapters.postgres import life_signs
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.ports.lake import SourceFile

_TRANSACTION = """
SELECT state, state_change, backend_xmin FROM pg_stat_activity
WHERE application_name = %s AND state LIKE 'idle in transaction%%'
"""


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    return SourceFile(str(tmp_path / "payments.csv"), "a" * 64)


@pytest.fixture
def name(tmp_path: Path) -> str:
    """What the ledger's connections are called, so that no other test's are looked at."""
    return tmp_path.parts[-1][-50:] + tmp_path.parts[-2]


@pytest.fixture
def ledger(dsn: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresLedger]:
    """A ledger on a server that ends transactions which wait for a tenth of a second."""
    monkeypatch.setattr(life_signs, "BEAT_SECONDS", 0.05)
    impatient = "-c idle_in_transaction_session_timeout=100"
    opened = PostgresLedger(make_conninfo(dsn, application_name=name, options=impatient))
    yield opened
    opened.close()


def test_a_claim_outlives_the_servers_patience_and_is_completed(
    ledger: PostgresLedger, dsn: str, file: SourceFile
) -> None:
    assert ledger.claim(file, "bank")
    time.sleep(0.4)
    other = PostgresLedger(dsn)
    assert not other.claim(file, "bank")
    ledger.complete(file, rows_in=1, rows_out=1, rows_rejected=0)
    other.close()


def test_its_transaction_is_never_silent_for_long_and_holds_no_snapshot(
    ledger: PostgresLedger, dsn: str, name: str, file: SourceFile
) -> None:
    assert ledger.claim(file, "bank")
    with psycopg.connect(dsn, autocommit=True) as onlooker:
        seen = set[datetime]()
        until = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < until:
            for _, changed, snapshot in onlooker.execute(_TRANSACTION, (name,)).fetchall():
                assert snapshot is None  # VACUUM removes what is newer than the oldest one
                seen.add(changed)
            time.sleep(0.05)
        assert len(seen) == 3
        ledger.complete(file, rows_in=1, rows_out=1, rows_rejected=0)
        assert onlooker.execute(_TRANSACTION, (name,)).fetchall() == []
