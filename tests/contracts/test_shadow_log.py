"""What the log of a challenger's scores must do."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.adapters.postgres.account_rows import PostgresAccountRows
from counterfoil.adapters.postgres.scores import PostgresScores
from counterfoil.adapters.postgres.shadow import PostgresShadow
from counterfoil.ports.service import KeptScore
from counterfoil.ports.shadow import Beside, ShadowScore

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
AT = datetime(2024, 2, 13, 3, tzinfo=UTC)


@pytest.fixture
def shadow(dsn: str) -> PostgresShadow:
    return PostgresShadow(dsn)


@pytest.fixture
def kept(dsn: str) -> list[KeptScore]:
    """Four payments of two accounts, the last one scored by the challenger itself."""
    payments = [{"transaction_id": f"t{number}", "event_time": AT.isoformat()} for number in range(4)]
    return PostgresScores(dsn).append(
        [
            KeptScore(
                f"t{number}", "c", "challenger" if number == 3 else "champion", "allow", number / 10, None,
                f"a{number % 2}", payment, {}, {"precedents": []},
            )
            for number, payment in enumerate(payments)
        ]
    )  # fmt: skip


def of(score: KeptScore, signal: float = 0.5) -> ShadowScore:
    return ShadowScore(score.transaction_id, "challenger", "review", signal)


def test_what_the_challenger_has_not_scored_waits(shadow: PostgresShadow, kept: list[KeptScore]) -> None:
    assert shadow.waiting("challenger", LONG_AGO, 10) == kept[:3]
    assert shadow.waiting("challenger", LONG_AGO, 2) == kept[:2]
    assert shadow.waiting("another", LONG_AGO, 10) == kept
    assert kept[3].scored_at is not None
    assert shadow.waiting("challenger", kept[3].scored_at + timedelta(seconds=1), 10) == []
    assert shadow.append([of(kept[0])]) == 1
    assert shadow.waiting("challenger", LONG_AGO, 10) == kept[1:3]


def test_an_earlier_score_stays_and_stands_beside_the_champions(
    shadow: PostgresShadow, kept: list[KeptScore], dsn: str
) -> None:
    assert shadow.append([of(kept[0], 0.5), of(kept[1], 0.6)]) == 2
    assert shadow.append([of(kept[0], 0.9)]) == 0
    assert shadow.beside("challenger", None, None) == [
        Beside("t0", "a0", AT, "champion", 0.0, "review", 0.5), Beside("t1", "a1", AT, "champion", 0.1, "review", 0.6),
    ]  # fmt: skip
    assert shadow.beside("challenger", None, LONG_AGO) == []
    assert len(shadow.beside("challenger", LONG_AGO, None)) == 2
    assert shadow.beside("another", None, None) == []
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE shadow_score SET signal = 0")


def test_it_goes_with_the_score_of_a_forgotten_account(shadow: PostgresShadow, kept: list[KeptScore], dsn: str) -> None:
    shadow.append([of(one) for one in kept[:3]])
    PostgresAccountRows(dsn).remove("a0", {"t0", "t2"})
    assert [one.transaction_id for one in shadow.beside("challenger", None, None)] == ["t1"]
    assert shadow.append([of(kept[0])]) == 0
