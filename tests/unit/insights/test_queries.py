"""Each named query against the same figures made with pandas, by other means."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterfoil.adapters.aws.athena import athena_values
from counterfoil.adapters.folder.tables import FolderTables
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


def _cents(amounts: pd.Series) -> int:
    return int((amounts.dropna() * 100).round().sum())


def _rates(rows: pd.DataFrame) -> dict[str, Any]:
    frauds, labelled = int((rows["label"] == 1).sum()), int(rows["label"].notna().sum())
    stolen = rows.loc[rows["label"] == 1, "amount"].dropna()
    return {
        "payments": len(rows), "volume": _cents(rows["amount"]) if rows["amount"].notna().any() else None,
        "labelled": labelled, "frauds": frauds, "fraud_rate": frauds / labelled if labelled else None,
        "loss": _cents(stolen) if len(stolen) else None,
    }  # fmt: skip


def _key(values: Any) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else value for value in (values if isinstance(values, tuple) else (values,)))


def _by(answer: Any, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their key, money in cents."""
    rows = {}
    for row in answer.to_pylist():
        plain = {k: int(v * 100) if isinstance(v, Decimal) else v for k, v in row.items()}
        rows[tuple(plain.pop(key) for key in keys)] = plain
    assert len(rows) == answer.num_rows
    return rows


def _week(days: pd.Series) -> pd.Series:
    return days.map(lambda day: day - timedelta(days=day.weekday()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column"),
    [("fraud_by_day", "event_date"), ("fraud_by_merchant", "merchant_id"), ("fraud_by_category", "category")]
)  # fmt: skip
def test_rates_and_losses(tables: FolderTables, known: pd.DataFrame, name: str, column: str) -> None:
    found = _by(ask(tables, name, ASKED), column, "currency")
    wanted = {_key(key): _rates(rows) for key, rows in known.groupby([column, "currency"], dropna=False)}
    assert wanted.keys() == found.keys()
    for key, row in wanted.items():
        assert found[key] == pytest.approx(row), key


def test_rates_by_country(tables: FolderTables, known: pd.DataFrame) -> None:
    countries = {f"ip{n:02d}": [None, "DE", "FR"][n % 3] for n in range(40)}
    rows = known.assign(country=known["source_ip_id"].map(countries))
    wanted = {_key(key): _rates(part) for key, part in rows.groupby(["country", "currency"], dropna=False)}
    found = _by(ask(tables, "fraud_by_country", ASKED), "country", "currency")
    assert wanted.keys() == found.keys()
    for key, row in wanted.items():
        assert found[key] == pytest.approx(row), key


def test_source_ips(tables: FolderTables, known: pd.DataFrame) -> None:
    def counts(rows: pd.DataFrame) -> dict[str, int]:
        return {
            "accounts": rows["account_id"].nunique(), "payments": len(rows), "labelled": int(rows["label"].count()),
            "frauds": int((rows["label"] == 1).sum()),
        }  # fmt: skip

    shared = _by(ask(tables, "shared_source_ips", ASKED), "source_ip_id")
    wanted = {(ip,): counts(rows) for ip, rows in known.groupby("source_ip_id") if rows["account_id"].nunique() > 1}
    assert {ip: {k: row[k] for k in wanted[ip]} for ip, row in shared.items()} == wanted

    number = known["source_ip_id"].str[2:].astype("Int64")
    prefixed = known.assign(prefix=[None if pd.isna(n) or n == 7 else f"198.51.{n % 10}.0/24" for n in number])
    prefixes = _by(ask(tables, "risky_prefixes", ASKED), "prefix")
    wanted_prefixes = {(name,): counts(rows) for name, rows in prefixed.groupby("prefix")}
    assert {name: {k: row[k] for k in wanted_prefixes[name]} for name, row in prefixes.items()} == wanted_prefixes

    listed = known[number.notna()].assign(lists=[None if n % 4 == 3 else n % 4 for n in number.dropna()])
    lists = _by(ask(tables, "blocklisted_source_ips", ASKED), "blocklists")
    wanted_lists = {_key(name): counts(rows) for name, rows in listed.groupby("lists", dropna=False)}
    assert {name: {k: row[k] for k in wanted_lists[name]} for name, row in lists.items()} == wanted_lists


def test_customers(tables: FolderTables, payments: pd.DataFrame, known: pd.DataFrame) -> None:
    until = payments[payments["event_time"].dt.date < UNTIL].dropna(subset="account_id")
    days_of = {a: sorted(set(rows["event_time"].dt.date)) for a, rows in until.groupby("account_id")}
    weeks: dict[date, dict[str, set[str]]] = {}
    for account, days in days_of.items():
        for before, day in zip([None, *days], days, strict=False):
            if day >= SINCE:
                week = weeks.setdefault(
                    day - timedelta(days=day.weekday()), {"active": set(), "new": set(), "back": set()}
                )
                week["active"].add(account)
                if before is None:
                    week["new"].add(account)
                elif (day - before).days > 28:
                    week["back"].add(account)
    found = {
        row["week"]: (row["active"], row["new"], row["back_from_dormancy"])
        for row in ask(tables, "customer_activity", ASKED).to_pylist()
    }
    assert found == {week: tuple(len(accounts) for accounts in kinds.values()) for week, kinds in weeks.items()}

    spent = known.dropna(subset=["account_id", "amount"]).assign(
        month=lambda f: f["event_date"].map(lambda d: d.replace(day=1))
    )
    cents = {_key(k): _cents(v) for k, v in spent.groupby(["account_id", "currency", "month"], dropna=False)["amount"]}
    changes = _by(ask(tables, "customer_spend", ASKED), "account_id", "currency", "month")
    assert len(changes) > 40
    for (account, currency, month), row in changes.items():
        before = max(m for a, c, m in cents if (a, c) == (account, currency) and m < month)
        assert row["spend"] == cents[account, currency, month]
        assert row["change"] == row["spend"] - cents[account, currency, before]


@pytest.mark.slow
def test_alerts(tables: FolderTables, scored: pd.DataFrame) -> None:
    volume = {row["event_date"]: row for row in ask(tables, "alert_volume", ASKED).to_pylist()}
    for day, rows in scored.groupby("event_date"):
        alerts = int((rows["anomaly_signal"] >= 0.3).sum())
        expected = {"scored": len(rows), "alerts": alerts, "budget": 5, "above_budget": alerts - 5}
        assert {key: volume[day][key] for key in expected} == expected
    assert len(volume) == scored["event_date"].nunique()

    alerts = scored[scored["anomaly_signal"] >= 0.3]
    precision = {row["week"]: row for row in ask(tables, "alert_precision", ASKED).to_pylist()}
    for week, rows in alerts.groupby(_week(alerts["event_date"])):
        labelled = rows.dropna(subset="label")
        assert precision[week]["alerts"] == len(rows)
        assert precision[week]["labelled"] == len(labelled)
        assert precision[week]["frauds"] == int(labelled["label"].sum())
        assert precision[week]["expected"] == pytest.approx(labelled["anomaly_signal"].sum() if len(labelled) else None)
        assert precision[week]["precision_expected"] == pytest.approx(rows["anomaly_signal"].mean())

    accounts = _by(ask(tables, "riskiest_accounts", ASKED), "account_id", "currency")
    for key, rows in scored.dropna(subset="account_id").groupby(["account_id", "currency"], dropna=False):
        row = accounts[_key(key)]
        assert row["alerts"] == int((rows["anomaly_signal"] >= 0.3).sum())
        assert row["highest_signal"] == rows["anomaly_signal"].max()
        assert row["frauds"] == int((rows["label"] == 1).sum())


def test_delay_of_detection(tables: FolderTables, known: pd.DataFrame) -> None:
    frauds = known[known["label"] == 1]
    days = (frauds["known_at"] - frauds["event_time"]).dt.days
    found = ask(tables, "detection_delay", ASKED).to_pylist()
    assert {row["days"]: row["frauds"] for row in found} == days.value_counts().to_dict()
    assert found[-1]["frauds_until_then"] == len(frauds)
    assert found[-1]["share_until_then"] == 1
    assert found[0]["days"] == 7  # no label counts before the delay is over


def test_signals_and_novelty(tables: FolderTables, scored: pd.DataFrame) -> None:
    bands = {row["band"]: row for row in ask(tables, "signal_distribution", ASKED).to_pylist()}
    wanted = np.floor(2 * np.log10(scored["anomaly_signal"].clip(lower=1e-5))).astype(int)
    assert {band: row["payments"] for band, row in bands.items()} == wanted.value_counts().to_dict()
    assert sum(row["frauds"] for row in bands.values()) == int((scored["label"] == 1).sum())

    drift = {row["week"]: row for row in ask(tables, "novelty_drift", ASKED).to_pylist()}
    for week, rows in scored.groupby(_week(scored["event_date"])):
        share = np.histogram(rows["novelty"], bins=10, range=(0, 1))[0] / len(rows)
        index = ((share - 0.1) * np.log(np.maximum(share, 1e-4) / 0.1)).sum()
        assert drift[week]["payments"] == len(rows)
        assert drift[week]["population_stability_index"] == pytest.approx(index)


def test_data_quality(tables: FolderTables, known: pd.DataFrame) -> None:
    coverage = {
        row["week"]: (row["payments"], row["labelled"]) for row in ask(tables, "label_coverage", ASKED).to_pylist()
    }
    assert coverage == {w: (len(r), int(r["label"].count())) for w, r in known.groupby(_week(known["event_date"]))}

    missing = {
        row["week"]: (row["no_amount"], row["no_source_ip"]) for row in ask(tables, "missing_values", ASKED).to_pylist()
    }
    empty = {
        w: (int(r["amount"].isna().sum()), int(r["source_ip_id"].isna().sum()))
        for w, r in known.groupby(_week(known["event_date"]))
    }
    assert missing == empty

    late = {row["source"]: row["late"] for row in ask(tables, "late_files", ASKED).to_pylist()}
    old = known.groupby("source")["event_time"]
    assert late == {s: int((t.max() - t > pd.Timedelta(days=2)).sum()) for s, t in old}

    rejected = ask(tables, "rejected_rows", ASKED).to_pylist()
    assert [(row["reason"], row["rows_rejected"]) for row in rejected] == [("r0", 4), ("r1", 3), ("r2", 3)]


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

    def test_has_its_rows_in_an_order_of_its_own(self, name: str) -> None:
        assert query(name).text.rstrip().rpartition("\nORDER BY ")[1], f"{name} has no last ORDER BY"

    def test_answers_an_empty_period(self, tables: FolderTables, name: str) -> None:
        asked = QueryParameters(date(1999, 1, 1), date(1999, 1, 2), release="r1", review=0.3)
        assert ask(tables, name, asked).num_rows == (3 if name == "rejected_rows" else 0)


def test_a_threshold_reaches_athena_whole() -> None:
    assert athena_values({"review": 0.012345678901, "top": 5}) == {"review": Decimal("0.012345678901"), "top": 5}


@pytest.mark.slow
def test_the_newest_scores_count_where_no_release_is_named(tables: FolderTables) -> None:
    assert newest_release(tables) == "r1"
    named, unnamed = (ask(tables, "novelty_drift", QueryParameters(release=name)) for name in ("r1", None))
    assert named.equals(unnamed)
    assert not named.equals(ask(tables, "novelty_drift", QueryParameters(release="r0")))


def test_only_the_days_of_the_period_are_opened(tables: FolderTables) -> None:
    day = QueryParameters(date(2026, 1, 20), date(2026, 1, 21))
    values = {key: value for key, value in day.values().items() if key in query("fraud_by_day").parameters}
    with lake(tables, frozenset({"transactions"})) as database:
        plan = database.execute("EXPLAIN " + query("fraud_by_day").duckdb(), values).fetchall()[0][1]
    assert "1/56" in plan.replace(" ", ""), plan
    assert "device_id" not in plan  # nor a column that the question does not need


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
