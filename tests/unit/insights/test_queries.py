"""Each named query against the same figures made with pandas, by other means."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import answers_by_pandas
import pandas as pd
import pytest

from counterfoil.adapters.aws.athena import athena_values
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.tables import LABELS_TABLE
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.insights.queries import QueryParameters, ask, lake, newest_release, queries, query

SINCE, UNTIL = date(2026, 1, 12), date(2026, 2, 27)
KNOWN = datetime(2026, 2, 25, 6, tzinfo=UTC)
ASKED = QueryParameters(SINCE, UNTIL, KNOWN, release="r1", review=0.3, alerts_per_day=5, top=10_000)
DELAY = pd.Timedelta(days=7)


@pytest.fixture(scope="module")
def known(payments: pd.DataFrame) -> pd.DataFrame:
    """The payments of the period with the labels that were known at the moment, by pandas."""
    day = payments["event_time"].dt.date
    found = payments[(day >= SINCE) & (day < UNTIL)].assign(event_date=day)
    from_then = found["label_time"].fillna(found["event_time"]).combine(found["event_time"] + DELAY, max)
    late = found["label"].isna() | (from_then > KNOWN)
    return found.assign(label=found["label"].mask(late), known_at=from_then.mask(late))


@pytest.fixture(scope="module")
def scored(known: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of the period beside what is known of their payments."""
    day = scores["event_time"].dt.date
    inside = scores[(day >= SINCE) & (day < UNTIL)]
    columns = ["transaction_id", "amount", "currency", "merchant_id", "label", "event_date"]
    return inside[["transaction_id", "account_id", "event_time", "anomaly_signal", "novelty"]].merge(
        known[columns], on="transaction_id"
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row with money in cents; of a row that pandas made, numbers of numpy are equal to Python's anyhow."""
    return {key: int(value * 100) if isinstance(value, Decimal) else value for key, value in row.items()}


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by their columns that are no measured number, so that rounding moves none."""
    exact = sorted(key for key, value in rows[0].items() if not isinstance(value, float)) if rows else []
    return sorted(rows, key=lambda row: [str(row[key]) for key in exact if not isinstance(row[key], float)])


@pytest.mark.parametrize("name", list(queries()))
class TestEveryQuery:
    def test_is_a_question_that_athena_can_parse(self, name: str) -> None:
        import sqlglot  # takes a second, which a worker without these tests need not spend

        found = query(name)
        assert found.text.startswith("-- ")
        assert found.question.endswith("?")
        [parsed] = sqlglot.parse(found.athena(), read="athena")
        assert parsed is not None
        # What awswrangler sends to Athena has no parameter left in it.
        from awswrangler._sql_formatter import _process_sql_params

        sent = _process_sql_params(found.athena(), athena_values(ASKED.values()))
        assert not list(sqlglot.parse_one(sent, read="athena").find_all(sqlglot.exp.Placeholder))

    @pytest.mark.slow
    def test_answers_what_pandas_finds_by_other_means(
        self, tables: FolderTables, known: pd.DataFrame, scored: pd.DataFrame, payments: pd.DataFrame, name: str
    ) -> None:
        before_the_end = payments.assign(event_date=payments["event_time"].dt.date)
        before_the_end = before_the_end[before_the_end["event_date"] < UNTIL]
        wanted = getattr(answers_by_pandas, name)(known, scored, before_the_end)
        found = [_plain(row) for row in ask(tables, name, ASKED).to_pylist()]
        assert len(found) == len(wanted) > 0
        for one, other in zip(_sorted(found), _sorted(wanted), strict=True):
            assert one == pytest.approx(other)

    def test_has_its_rows_in_an_order_of_its_own(self, name: str) -> None:
        assert query(name).text.rstrip().rpartition("\nORDER BY ")[1], f"{name} has no last ORDER BY"

    def test_answers_an_empty_period(self, tables: FolderTables, name: str) -> None:
        asked = QueryParameters(date(1999, 1, 1), date(1999, 1, 2), release="r1", review=0.3)
        assert ask(tables, name, asked).num_rows == (3 if name == "rejected_rows" else 0)


def test_a_threshold_reaches_athena_whole() -> None:
    assert athena_values({"review": 0.012345678901, "top": 5}) == {"review": Decimal("0.012345678901"), "top": 5}


@pytest.mark.parametrize("name", [name for name, found in queries().items() if "top" in found.parameters])
def test_the_first_rows_are_those_of_the_whole_answer(tables: FolderTables, name: str) -> None:
    assert ask(tables, name, replace(ASKED, top=2)).equals(ask(tables, name, ASKED).slice(0, 2))


@pytest.mark.slow
def test_the_newest_scores_count_where_no_release_is_named(tables: FolderTables) -> None:
    assert newest_release(tables) == "r1"
    named, unnamed = (ask(tables, "novelty_drift", QueryParameters(release=name)) for name in ("r1", None))
    assert named.equals(unnamed)
    assert not named.equals(ask(tables, "novelty_drift", QueryParameters(release="r0")))


KNOWN_LABEL = {"event_time", "label", "label_time"}
MONEY, PEOPLE = KNOWN_LABEL | {"amount", "currency"}, KNOWN_LABEL | {"account_id", "source_ip_id"}
SCORED = {"transaction_id", "event_time", "anomaly_signal", "overlay_seq", "release_id"}
OF_IPS = {"source_ip_id"}
READS: dict[str, dict[str, set[str]]] = {
    "alert_precision": {"scores": SCORED, "transactions": {*KNOWN_LABEL, "transaction_id"}},
    "alert_volume": {"scores": SCORED},
    "blocklisted_source_ips": {"transactions": PEOPLE, "source_ips": {*OF_IPS, "blocklists"}},
    "customer_activity": {"transactions": {"account_id"}},
    "customer_spend": {"transactions": {"account_id", "currency", "amount"}},
    "detection_delay": {"transactions": KNOWN_LABEL},
    "fraud_by_category": {"transactions": {*MONEY, "category"}},
    "fraud_by_country": {"transactions": {*MONEY, "source_ip_id"}, "source_ips": {*OF_IPS, "country"}},
    "fraud_by_day": {"transactions": MONEY},
    "fraud_by_merchant": {"transactions": {*MONEY, "merchant_id"}},
    "label_coverage": {"transactions": KNOWN_LABEL},
    "late_files": {"transactions": {"event_time", "source"}},
    "missing_values": {
        "transactions": {"amount", "currency", "account_id", "merchant_id", "category", "source_ip_id", "device_id"}
    },
    "novelty_drift": {"scores": {*SCORED, "novelty"}},
    "rejected_rows": {"rejected": {"reason", "source", "source_line"}},
    "riskiest_accounts": {
        "scores": {*SCORED, "account_id"}, "transactions": {*MONEY, "account_id", "transaction_id"},
    },
    "risky_prefixes": {"transactions": PEOPLE, "source_ips": {*OF_IPS, "prefix"}},
    "shared_source_ips": {"transactions": PEOPLE, "source_ips": {*OF_IPS, "kind", "country", "network", "blocklists"}},
    "signal_distribution": {"scores": SCORED, "transactions": {*KNOWN_LABEL, "transaction_id"}},
}  # fmt: skip
"""The columns that each question needs of each table that it reads, where nothing was said of payments."""


def _scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What DuckDB's plan says of each reading of Parquet files."""
    if node.get("name", "").strip() == "READ_PARQUET":
        yield node["extra_info"]
    for part in node.get("children", []):
        yield from _scans(part)


@pytest.mark.parametrize("name", list(queries()))
def test_only_the_columns_and_days_that_a_question_needs_are_read(tables: FolderTables, name: str) -> None:
    day = replace(ASKED, since=date(2026, 2, 3), until=date(2026, 2, 4))
    values = {key: value for key, value in day.values().items() if key in query(name).parameters}
    with lake(tables, query(name).tables) as database:
        plan = database.execute(f"EXPLAIN (FORMAT json) {query(name).duckdb(said=False)}", values).fetchall()[0][1]
    found = [scan for root in json.loads(plan) for scan in _scans(root)]
    columns = [scan["Projections"] for scan in found]
    read = [{one} if isinstance(one, str) else set(one) for one in columns]
    assert len(read) == len(READS[name]), "a table is read more than once"
    for one in read:
        assert any(one - {"event_date"} <= needed for needed in READS[name].values()), one
    # Who is new or was dormant is seen in the days before.
    days = "30/56" if name == "customer_activity" else "1/56"
    of_days = [scan["Scanning Files"] for scan in found if "File Filters" in scan]
    assert of_days == [days] * ("transactions" in READS[name])


def test_a_lake_where_nothing_was_said_answers_as_one_with_an_empty_table_of_words(tables: FolderTables) -> None:
    for name, found in queries().items():
        if LABELS_TABLE not in found.tables:
            continue
        values = {key: value for key, value in ASKED.values().items() if key in found.parameters}
        with lake(tables, found.tables) as database:
            answers = [
                database.sql(found.duckdb(said=said), params=values).to_arrow_table().to_pylist()
                for said in (True, False)
            ]
        assert answers[0] == pytest.approx(answers[1]) or answers[0] == answers[1], name
        assert answers[0]


class TestWhatIsWrong:
    def test_unknown_names_are_answered_with_the_known_ones(self, tables: FolderTables) -> None:
        with pytest.raises(NotFoundError, match=r"no query is called 'nope'.*fraud_by_day"):
            ask(tables, "nope")

    def test_a_missing_table_is_named_with_the_command_that_makes_it(
        self, make_lake: Callable[..., FolderTables], payments: pd.DataFrame, tmp_path: Path
    ) -> None:
        bare = make_lake(tmp_path, payments.head(10), without=("scores", "source_ips"))
        with pytest.raises(NotFoundError, match="no table 'source_ips': run 'counterfoil curate' first"):
            ask(bare, "shared_source_ips")
        with pytest.raises(NotFoundError, match="no table 'scores': run 'counterfoil score' first"):
            ask(bare, "alert_volume", ASKED)

    def test_a_period_that_ends_before_it_begins(self) -> None:
        with pytest.raises(UsageError, match="ends on 2026-01-31, before it begins on 2026-02-01"):
            QueryParameters(date(2026, 2, 1), date(2026, 2, 1))

    def test_a_threshold_is_asked_for(self, tables: FolderTables) -> None:
        with pytest.raises(UsageError, match="needs review: give --review"):
            ask(tables, "alert_volume")
