"""The named questions as an analyst would ask them with pandas: read the columns that are needed, group, sum.

Each function is called like its question. Money is read as floats, which is faster than exact and good enough here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

DORMANT_DAYS = 28


@dataclass(frozen=True)
class Lake:
    """The files of each table, and what is asked: a period, a release, its threshold, a budget, the first rows."""

    files: Mapping[str, list[Path]]
    since: date
    until: date
    release: str
    review: float
    alerts_per_day: int
    top: int
    known_until: pd.Timestamp
    label_delay: timedelta

    def read(self, table: str, *columns: str, since: date | None = None) -> pd.DataFrame:
        """The columns of a table; of a table by day only the days that are asked for are read (or from `since` on)."""
        files = ds.dataset(
            [str(path) for path in self.files[table]],
            partitioning=ds.partitioning(pa.schema([("event_date", pa.date32())]), flavor="hive"),
        )
        by_date = any("event_date=" in str(path) for path in self.files[table])
        day = ds.field("event_date")
        days = (day >= (since or self.since)) & (day < self.until) if by_date else None
        found = files.to_table(columns=list(columns), filter=days)
        exact = [field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field for field in found.schema]
        frame: pd.DataFrame = found.cast(pa.schema(exact)).to_pandas()
        return frame

    def known(self, *columns: str) -> pd.DataFrame:
        """Payments with the label that was known at the moment."""
        rows = self.read("transactions", "event_time", "label", "label_time", *columns)
        ripe = rows["event_time"] + self.label_delay
        said = rows.pop("label_time").fillna(rows["event_time"])
        at = said.where(said > ripe, ripe)
        known = rows["label"].notna() & (at <= self.known_until)
        rows["label"] = rows["label"].where(known)
        rows["fraud"] = rows["label"] == 1
        return rows.assign(known_at=at.where(known))

    def scored(self, *columns: str, of_payments: tuple[str, ...] = ()) -> pd.DataFrame:
        """The payments that the release scored, with their labels."""
        rows = self.read("scores", "transaction_id", "event_time", "anomaly_signal", "release_id", *columns)
        rows = rows[rows["release_id"] == self.release]
        rows = rows.sort_values("anomaly_signal", ascending=False).drop_duplicates("transaction_id")
        labels = self.known("transaction_id", *of_payments).drop(columns=["event_time"])
        return rows.merge(labels, on="transaction_id", how="left").assign(fraud=lambda joined: joined["label"] == 1)


def week(times: pd.Series) -> pd.Series:
    """The Monday of each time."""
    days = times.dt.floor("D")
    mondays: pd.Series = days - pd.to_timedelta(days.dt.weekday, unit="D")
    return mondays


def money_by(lake: Lake, rows: pd.DataFrame, keys: list[str], first: bool = True) -> pd.DataFrame:
    """Payments, volume, frauds and loss of each group, those with the largest loss first."""
    rows = rows.assign(loss=rows["amount"].where(rows["fraud"]))
    found = rows.groupby(keys, dropna=False).agg(
        payments=("fraud", "size"), volume=("amount", "sum"), labelled=("label", "count"), frauds=("fraud", "sum"),
        loss=("loss", "sum"),
    )  # fmt: skip
    found["fraud_rate"] = found["frauds"] / found["labelled"]
    return found.nlargest(lake.top, ["loss", "frauds", "payments"]) if first else found


def fraud_by_day(lake: Lake) -> pd.DataFrame:
    rows = lake.known("amount", "currency")
    return money_by(lake, rows.assign(event_date=rows["event_time"].dt.floor("D")), ["event_date", "currency"], False)


def fraud_by_merchant(lake: Lake) -> pd.DataFrame:
    return money_by(lake, lake.known("amount", "currency", "merchant_id"), ["merchant_id", "currency"])


def fraud_by_category(lake: Lake) -> pd.DataFrame:
    return money_by(lake, lake.known("amount", "currency", "category"), ["category", "currency"])


def fraud_by_country(lake: Lake) -> pd.DataFrame:
    rows = lake.known("amount", "currency", "source_ip_id")
    ips = lake.read("source_ips", "source_ip_id", "country")
    return money_by(lake, rows.merge(ips, on="source_ip_id", how="left"), ["country", "currency"])


def people_by(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    found = rows.groupby(keys, dropna=False).agg(
        source_ips=("source_ip_id", "nunique"), accounts=("account_id", "nunique"), payments=("fraud", "size"),
        labelled=("label", "count"), frauds=("fraud", "sum"),
    )  # fmt: skip
    return found.assign(fraud_rate=found["frauds"] / found["labelled"])


def shared_source_ips(lake: Lake) -> pd.DataFrame:
    rows = lake.known("account_id", "source_ip_id").dropna(subset="source_ip_id")
    found = people_by(rows, ["source_ip_id"])
    shared = found[found["accounts"] > 1].nlargest(lake.top, ["accounts", "frauds", "payments"])
    ips = lake.read("source_ips", "source_ip_id", "kind", "country", "network", "blocklists")
    return shared.join(ips.set_index("source_ip_id"))


def risky_prefixes(lake: Lake) -> pd.DataFrame:
    rows = lake.known("account_id", "source_ip_id").dropna(subset="source_ip_id")
    ips = lake.read("source_ips", "source_ip_id", "prefix").dropna()
    return people_by(rows.merge(ips, on="source_ip_id"), ["prefix"]).nlargest(lake.top, ["frauds", "accounts"])


def blocklisted_source_ips(lake: Lake) -> pd.DataFrame:
    rows = lake.known("account_id", "source_ip_id").dropna(subset="source_ip_id")
    return people_by(
        rows.merge(lake.read("source_ips", "source_ip_id", "blocklists"), on="source_ip_id"), ["blocklists"]
    )


def customer_activity(lake: Lake) -> pd.DataFrame:
    rows = lake.read("transactions", "account_id", "event_date", since=date.min).dropna().drop_duplicates()
    days = pd.to_datetime(rows["event_date"])
    rows = rows.assign(event_date=days).sort_values(["account_id", "event_date"])
    before = rows.groupby("account_id")["event_date"].shift()
    back = (rows["event_date"] - before).dt.days > DORMANT_DAYS
    rows = rows.assign(week=week(rows["event_date"]), new=before.isna(), back=back)
    rows = rows[rows["event_date"] >= pd.Timestamp(lake.since)]
    accounts = rows.groupby(["week", "account_id"]).agg(new=("new", "any"), back=("back", "any"), days=("new", "size"))
    return accounts.groupby("week").agg(active=("new", "size"), new=("new", "sum"), back=("back", "sum"))


def customer_spend(lake: Lake) -> pd.DataFrame:
    rows = lake.read("transactions", "account_id", "currency", "amount", "event_time").dropna(
        subset=["account_id", "amount"]
    )
    rows["month"] = rows.pop("event_time").dt.tz_localize(None).dt.to_period("M")
    spend = rows.groupby(["account_id", "currency", "month"], dropna=False)["amount"].sum().reset_index()
    spend["before"] = spend.groupby(["account_id", "currency"], dropna=False)["amount"].shift()
    spend = spend.dropna(subset="before")
    spend["change"] = (spend["amount"] - spend["before"]).abs()
    return spend.nlargest(lake.top, "change")


def alert_volume(lake: Lake) -> pd.DataFrame:
    rows = lake.scored()
    rows = rows.assign(day=rows["event_time"].dt.floor("D"), alert=rows["anomaly_signal"] >= lake.review)
    found = rows.groupby("day").agg(payments=("alert", "size"), alerts=("alert", "sum"))
    return found.assign(above=found["alerts"] - lake.alerts_per_day)


def alert_precision(lake: Lake) -> pd.DataFrame:
    rows = lake.scored()
    rows = rows[rows["anomaly_signal"] >= lake.review]
    rows = rows.assign(week=week(rows["event_time"]), expected=rows["anomaly_signal"].where(rows["label"].notna()))
    return rows.groupby("week").agg(
        alerts=("fraud", "size"), labelled=("label", "count"), frauds=("fraud", "sum"), expected=("expected", "sum"),
        mean=("anomaly_signal", "mean"),
    )  # fmt: skip


def riskiest_accounts(lake: Lake) -> pd.DataFrame:
    rows = lake.scored("account_id", of_payments=("amount", "currency")).dropna(subset="account_id")
    alert = rows["anomaly_signal"] >= lake.review
    rows = rows.assign(alert=alert, alerted=rows["amount"].where(alert))
    return rows.groupby(["account_id", "currency"], dropna=False).agg(
        payments=("alert", "size"), alerts=("alert", "sum"), highest=("anomaly_signal", "max"),
        amount=("alerted", "sum"), frauds=("fraud", "sum"), last=("event_time", "max"),
    ).nlargest(lake.top, ["alerts", "highest"])  # fmt: skip


def detection_delay(lake: Lake) -> pd.DataFrame:
    rows = lake.known()
    frauds = rows[rows["fraud"]]
    days = (frauds["known_at"] - frauds["event_time"]).dt.days.value_counts().sort_index()
    return pd.DataFrame({"frauds": days, "until": days.cumsum(), "share": days.cumsum() / days.sum()})


def signal_distribution(lake: Lake) -> pd.DataFrame:
    rows = lake.scored()
    rows = rows.assign(
        band=np.floor(2 * np.log10(rows["anomaly_signal"].clip(lower=1e-5))),
        expected=rows["anomaly_signal"].where(rows["label"].notna()),
    )
    return rows.groupby("band").agg(
        lowest=("anomaly_signal", "min"), highest=("anomaly_signal", "max"), payments=("fraud", "size"),
        labelled=("label", "count"), frauds=("fraud", "sum"), expected=("expected", "sum"),
    )  # fmt: skip


def novelty_drift(lake: Lake) -> pd.DataFrame:
    rows = lake.scored("novelty")
    tenth = np.minimum(np.floor(rows["novelty"] * 10), 9)
    counts = pd.crosstab(week(rows["event_time"]), tenth)
    share = counts.div(counts.sum(axis=1), axis=0)
    return pd.DataFrame({"index": ((share - 0.1) * np.log(share.clip(lower=1e-4) / 0.1)).sum(axis=1)})


def label_coverage(lake: Lake) -> pd.DataFrame:
    rows = lake.known()
    found = rows.assign(week=week(rows["event_time"])).groupby("week")
    return found.agg(payments=("fraud", "size"), labelled=("label", "count"), frauds=("fraud", "sum"))


def missing_values(lake: Lake) -> pd.DataFrame:
    columns = ["amount", "currency", "account_id", "merchant_id", "category", "source_ip_id", "device_id"]
    rows = lake.read("transactions", "event_time", *columns)
    return rows[columns].isna().groupby(week(rows["event_time"])).sum()


def late_files(lake: Lake) -> pd.DataFrame:
    rows = lake.read("transactions", "source", "event_time")
    newest = rows.groupby("source")["event_time"].transform("max")
    rows = rows.assign(late=newest - rows["event_time"] > pd.Timedelta(days=2))
    found = rows.groupby("source").agg(
        payments=("late", "size"), first=("event_time", "min"), last=("event_time", "max"), late=("late", "sum")
    )
    return found.nlargest(lake.top, ["late", "payments"])


def rejected_rows(lake: Lake) -> pd.DataFrame:
    rows = lake.read("rejected", "reason", "source", "source_line")
    found = rows.groupby(["reason", "source"])["source_line"].agg(["size", "min", "max"])
    return found.nlargest(lake.top, "size")


QUESTIONS: Mapping[str, Callable[[Lake], pd.DataFrame]] = {
    found.__name__: found
    for found in (
        alert_precision, alert_volume, blocklisted_source_ips, customer_activity, customer_spend, detection_delay,
        fraud_by_category, fraud_by_country, fraud_by_day, fraud_by_merchant, label_coverage, late_files,
        missing_values, novelty_drift, rejected_rows, riskiest_accounts, risky_prefixes, shared_source_ips,
        signal_distribution,
    )
}  # fmt: skip
