"""The command forget, and the tables and the memory of the service."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from counterfoil.ports.service import Alert
from counterfoil.service.problems import ProblemError
from counterfoil.service.serving import Serving
from counterfoil.workspace.forget_account import remove_account

pytestmark = pytest.mark.xdist_group("service")

RAW, MINE = "forget-me-0001", ("forgotten-1", "forgotten-2")


def payment(name: str, account: str) -> dict[str, Any]:
    return {
        "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "990.00", "currency": "EUR",
        "account": account, "merchant": "Harbour Gift Cards", "category": "gift cards",
    }  # fmt: skip


def naming(dsn: str, texts: list[str]) -> dict[str, int]:
    """How many rows of each table of the database hold one of the texts."""
    with psycopg.connect(dsn) as connection:
        tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        found = {}
        for table in tables:
            query = f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE ANY(%s)'
            [(found[table],)] = connection.execute(query, ([f"%{text}%" for text in texts],)).fetchall()
    return {table: count for table, count in found.items() if count}


def test_nothing_of_a_forgotten_account_is_left_in_the_services_tables_nor_used(scoring_place: Any) -> None:
    place = scoring_place.open()
    serving = Serving(place)
    place.champion.current()
    for name in MINE:
        serving.score([payment(name, RAW)], source_layout=False)
    serving.score([payment("stays-1", "another-1")], source_layout=False)
    [own] = place.scores.find([MINE[0]]).values()
    [other] = place.scores.find(["stays-1"]).values()
    account = str(own.account_id)
    # As a score that cited one of its payments, and one that paid it.
    cited = {**other.answer["precedents"][0], "reference_id": MINE[0]}
    answer = {**other.answer, "precedents": [cited, *other.answer["precedents"][1:]]}
    paying = {**other.payment, "merchant_id": account}
    place.scores.append([replace(other, transaction_id="stays-2", payment=paying, answer=answer)])
    place.alert_log.hold(Alert(MINE[0], account, "review", 0.9, {"account_id": account}), timedelta(hours=1))
    before = naming(place.dsn, [account, *MINE])
    assert before.keys() >= {"service_score", "profile_entry", "service_alert"}

    removal = remove_account(scoring_place.open(), RAW, "ada", "asked for it")

    assert removal.report.absent
    assert removal.report.rows["service_score"] == 2
    assert removal.report.payee_rows["service_score"] == 1
    # The decision log says that it was forgotten, for ever.
    assert naming(place.dsn, [account, *MINE]).keys() == {"decision"}
    left = place.scores.find(["stays-1", "stays-2"])
    assert left["stays-1"] == other
    assert left["stays-2"].answer["precedents"][0]["reference_id"] is None
    assert left["stays-2"].answer["precedents"][0]["similarity"] == cited["similarity"]
    assert left["stays-2"].payment == {**other.payment, "merchant_id": None}

    # A process that held its history, and wrote once more, lets go of both.
    assert serving.scorer.remembers(f"account:{account}")
    serving.score([payment("forgotten-3", RAW)], source_layout=False)
    serving.refresh()
    assert not serving.scorer.remembers(f"account:{account}")
    with pytest.raises(ProblemError):
        serving.score([payment("forgotten-4", RAW)], source_layout=False)
    serving.refresh()
    assert naming(place.dsn, [account, *MINE, "forgotten-3"]).keys() == {"decision"}
    again = remove_account(scoring_place.open(), RAW, "ada", "asked for it").report
    assert (again.absent, again.rows) == (True, removal.report.rows)
    assert len(place.decisions.entries("forget", account)) == 1
    serving.close()
