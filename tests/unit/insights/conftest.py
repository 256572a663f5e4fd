"""A lake of 4,000 payments of two months in two currencies, with scores of two releases that overlap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import REJECTED, SCORES, SOURCE_IPS, transactions_schema

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 56
RELEASE, OLDER = "r1", "r0"


def made_payments(rows: int = 4000, seed: int = 5) -> pd.DataFrame:
    """Payments with nulls in every column that may have some; frauds are labelled up to 20 days late."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.choice(DAYS * 86_400, rows, replace=False))
    time = pd.to_datetime(pd.Series([START + timedelta(seconds=int(s)) for s in seconds])).astype("datetime64[us, UTC]")
    label = np.where(rng.random(rows) < 0.1, np.nan, (rng.random(rows) < 0.06).astype(float))
    late = pd.to_timedelta(rng.integers(0, 20 * 86_400, rows), unit="s")
    names = {
        "account_id": [f"a{n:02d}" for n in rng.integers(60, size=rows)],
        "merchant_id": [f"shop {n}" for n in rng.integers(12, size=rows)],
        "category": [f"kind {n}" for n in rng.integers(5, size=rows)],
        "source_ip_id": [f"ip{n:02d}" for n in rng.integers(40, size=rows)],
        "device_id": [f"d{n}" for n in rng.integers(90, size=rows)],
        "currency": list(rng.choice(["EUR", "CHF"], rows, p=[0.8, 0.2])),
    }
    frame = pd.DataFrame({
        "transaction_id": [f"t{n:05d}" for n in range(rows)], "event_time": time,
        "amount": np.round(np.exp(rng.normal(3, 1, rows)), 2), "label": label,
        "label_time": time.where(label != 1, time + late),
        "source": np.where(seconds < 30 * 86_400, "old.csv", "new.csv"),
        "source_line": np.arange(rows) + 2, **names,
    })  # fmt: skip
    for name in (*names, "amount"):
        frame.loc[rng.random(rows) < 0.03, name] = None
    return frame


def made_scores(payments: pd.DataFrame, release: str, seed: int) -> pa.Table:
    """Scores that know something of the labels, in the order of time."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-4, 1.5, len(payments)) + 5 * (payments["label"] == 1)
    table = {
        "transaction_id": payments["transaction_id"], "event_time": payments["event_time"],
        "account_id": payments["account_id"], "anomaly_signal": 1 / (1 + np.exp(-margin)),
        "signal_kind": "calibrated", "decision": "allow", "margin": margin, "novelty": rng.random(len(payments)),
        "release_id": release, "overlay_seq": 0,
    }  # fmt: skip
    frame = pd.DataFrame(table)
    return pa.table({
        field.name: pa.array(frame[field.name], field.type, from_pandas=True) if field.name in frame
        else pa.nulls(len(frame), field.type)
        for field in SCORES
    }, schema=SCORES)  # fmt: skip


def made_source_ips() -> pa.Table:
    """What is known of forty addresses: some on lists, in three countries, in ten prefixes."""
    rows = [
        {
            "source_ip_id": f"ip{n:02d}", "address": f"198.51.{n % 10}.{n}", "version": 4, "kind": "public",
            "prefix": None if n == 7 else f"198.51.{n % 10}.0/24", "country": [None, "DE", "FR"][n % 3],
            "first_seen": START, "last_seen": START, "payments": 1, "accounts": 1,
            "blocklists": None if n % 4 == 3 else n % 4,
        }
        for n in range(40)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SOURCE_IPS)


def publish(tables: FolderTables, table: str, run: str, rows: pa.Table, *, by_date: bool = False) -> None:
    """Publish a run as the steps do: by date in folders, else as one file."""
    folder = tables.stage(table, run)
    if by_date:
        dates = rows.column("event_time").cast(pa.timestamp("us")).cast(pa.date32())
        for day in sorted(set(dates.to_pylist())):
            (folder / f"event_date={day}").mkdir()
            chosen = rows.filter(pa.compute.equal(dates, pa.scalar(day)))
            pq.write_table(chosen, folder / f"event_date={day}" / "part-0.parquet")
    else:
        pq.write_table(rows, folder / "part-0.parquet")
    tables.publish(table, run)


def as_transactions(payments: pd.DataFrame) -> pa.Table:
    """The frame with the schema of `transactions`."""
    schema = transactions_schema()
    columns = {}
    for field in schema:
        if field.name not in payments:
            columns[field.name] = pa.nulls(len(payments), field.type)
        elif pa.types.is_decimal(field.type):
            cents = pa.array(payments[field.name].map(lambda value: None if pd.isna(value) else f"{value:.2f}"))
            columns[field.name] = cents.cast(pa.string()).cast(field.type)
        else:
            columns[field.name] = pa.array(payments[field.name], field.type, from_pandas=True)
    return pa.table(columns, schema=schema)


@pytest.fixture(scope="session")
def payments() -> pd.DataFrame:
    """Return the payments of the lake."""
    return made_payments()


Lake = Callable[..., FolderTables]


@pytest.fixture(scope="session")
def make_lake() -> Lake:
    """Return a maker of lakes from payments; what is named in `without` is not published."""

    def make(root: Path, frame: pd.DataFrame, *, without: tuple[str, ...] = ()) -> FolderTables:
        tables = FolderTables(root)
        if "transactions" not in without:
            publish(tables, "transactions", "run", as_transactions(frame), by_date=True)
        if "scores" not in without:
            later = frame[frame["event_time"] >= START + timedelta(days=20)]
            publish(tables, "scores", "older", made_scores(later, OLDER, 3))
            publish(tables, "scores", "first", made_scores(later, RELEASE, 4))
            # A second run of the same release over the last days: each payment must count once.
            publish(tables, "scores", "again", made_scores(later, RELEASE, 4).slice(len(later) - 200))
        if "source_ips" not in without:
            publish(tables, "source_ips", "run", made_source_ips())
        if "rejected" not in without:
            rows = [{"source": "old.csv", "source_line": n, "reason": f"r{n % 3}", "message": ""} for n in range(10)]
            publish(tables, "rejected", "run", pa.Table.from_pylist(rows, schema=REJECTED))
        return tables

    return make


@pytest.fixture(scope="session")
def tables(make_lake: Lake, payments: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> FolderTables:
    """Return the whole lake."""
    return make_lake(tmp_path_factory.mktemp("lake"), payments)


@pytest.fixture(scope="session")
def scores(tables: FolderTables) -> pd.DataFrame:
    """Return the scores of the newer release, each payment once."""
    return pq.read_table(tables.files("scores", "first")).to_pandas()
