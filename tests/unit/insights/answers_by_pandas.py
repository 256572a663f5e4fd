"""What each named query must answer, made with pandas and plain Python: every column of every row.

A function is called like its query and takes the payments of the period with the labels known at the moment, the
scores of the period beside them, and all payments before its end. Money is in cents.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

Row = dict[str, Any]
REVIEW, BUDGET = 0.3, 5
SINCE = date(2026, 1, 12)


def source_ip(number: int) -> Row:
    """What the lake of these tests knows of an address (conftest.made_source_ips)."""
    return {
        "kind": "public", "country": [None, "DE", "FR"][number % 3], "network": None,
        "prefix": None if number == 7 else f"198.51.{number % 10}.0/24",
        "blocklists": None if number % 4 == 3 else number % 4,
    }  # fmt: skip


def cents(amounts: pd.Series) -> int | None:
    """Their sum in whole cents; None of no amounts, as SQL has it."""
    return int((amounts.dropna() * 100).round().sum()) if amounts.notna().any() else None


def groups(rows: pd.DataFrame, *keys: str) -> Iterator[tuple[Row, pd.DataFrame]]:
    """Each group, nulls included, with its key as columns; pandas makes integers beside nulls floats."""
    for values, part in rows.groupby(list(keys), dropna=False):
        plain = [None if pd.isna(value) else int(value) if isinstance(value, float) else value for value in values]
        yield dict(zip(keys, plain, strict=True)), part


def with_week(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the Monday of their week."""
    return rows.assign(week=[day - timedelta(days=day.weekday()) for day in rows["event_date"]])


def with_address(known: pd.DataFrame) -> pd.DataFrame:
    """The payments that have a source IP, with what is known of it."""
    some = known[known["source_ip_id"].notna()]
    facts = [source_ip(int(name[2:])) for name in some["source_ip_id"]]
    return some.assign(**{key: pd.Series([fact[key] for fact in facts], some.index, object) for key in facts[0]})


def labels(rows: pd.DataFrame) -> Row:
    """How many are labelled, and how many of those are frauds."""
    return {"labelled": int(rows["label"].notna().sum()), "frauds": int((rows["label"] == 1).sum())}


def rate(rows: pd.DataFrame) -> Row:
    """The same with the rate of fraud; None without labels."""
    found = labels(rows)
    return {**found, "fraud_rate": found["frauds"] / found["labelled"] if found["labelled"] else None}


def money(rows: pd.DataFrame) -> Row:
    """Payments, volume, rate of fraud and loss."""
    loss = cents(rows.loc[rows["label"] == 1, "amount"])
    return {"payments": len(rows), "volume": cents(rows["amount"]), **rate(rows), "loss": loss}


def people(rows: pd.DataFrame) -> Row:
    """Accounts and payments with their rate of fraud."""
    return {"accounts": rows["account_id"].nunique(), "payments": len(rows), **rate(rows)}


def _money_by(key: str) -> Callable[..., list[Row]]:
    return lambda known, *_: [{**k, **money(rows)} for k, rows in groups(known, key, "currency")]


fraud_by_day, fraud_by_merchant, fraud_by_category = map(_money_by, ("event_date", "merchant_id", "category"))


def fraud_by_country(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    numbers = known["source_ip_id"].map(lambda name: source_ip(int(name[2:]))["country"], na_action="ignore")
    return [{**key, **money(rows)} for key, rows in groups(known.assign(country=numbers), "country", "currency")]


def shared_source_ips(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    facts = ("kind", "country", "network", "blocklists")
    found = [
        {**key, **{fact: source_ip(int(key["source_ip_id"][2:]))[fact] for fact in facts}, **people(rows)}
        for key, rows in groups(known[known["source_ip_id"].notna()], "source_ip_id")
    ]
    return [row for row in found if row["accounts"] > 1]


def risky_prefixes(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    rows = with_address(known).dropna(subset="prefix")
    return [
        {**key, "source_ips": part["source_ip_id"].nunique(), **people(part)} for key, part in groups(rows, "prefix")
    ]


def blocklisted_source_ips(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    return [
        {**key, "source_ips": part["source_ip_id"].nunique(), **people(part)}
        for key, part in groups(with_address(known), "blocklists")
    ]


def customer_activity(_: pd.DataFrame, __: pd.DataFrame, everything: pd.DataFrame) -> list[Row]:
    weeks: dict[date, dict[str, list[str]]] = {}
    for account, rows in everything.dropna(subset="account_id").groupby("account_id"):
        days = sorted(set(rows["event_date"]))
        for before, day in zip([None, *days], days, strict=False):
            if day < SINCE:
                continue
            week = weeks.setdefault(day - timedelta(days=day.weekday()), {"active": [], "new": [], "back": []})
            week["active"].append(account)
            if before is None or (day - before).days > 28:
                week["new" if before is None else "back"].append(account)
    return [
        {"week": week, "active": len(set(who["active"])), "new": len(set(who["new"])),
         "back_from_dormancy": len(set(who["back"])), "days_with_payments": len(who["active"])}
        for week, who in weeks.items()
    ]  # fmt: skip


def customer_spend(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    some = known.dropna(subset=["account_id", "amount"])
    some = some.assign(month=[day.replace(day=1) for day in some["event_date"]])
    found = []
    for key, rows in groups(some, "account_id", "currency"):
        before = None
        for month, part in sorted(rows.groupby("month"), key=lambda pair: pair[0]):
            spend = cents(part["amount"])
            if before is not None:
                found.append({
                    **key, "month": month, "payments": len(part), "spend": spend, "spend_before": before,
                    "change": spend - before, "ratio": spend / before,
                })  # fmt: skip
            before = spend
    return found


def alert_volume(_: pd.DataFrame, scored: pd.DataFrame, __: pd.DataFrame) -> list[Row]:
    found = []
    for key, rows in groups(scored, "event_date"):
        alerts = int((rows["anomaly_signal"] >= REVIEW).sum())
        counts = {"scored": len(rows), "alerts": alerts, "budget": BUDGET, "above_budget": alerts - BUDGET}
        found.append({**key, **counts, "alert_share": alerts / len(rows)})
    return found


def alert_precision(_: pd.DataFrame, scored: pd.DataFrame, __: pd.DataFrame) -> list[Row]:
    found = []
    for key, rows in groups(with_week(scored[scored["anomaly_signal"] >= REVIEW]), "week"):
        known, counts = rows["anomaly_signal"][rows["label"].notna()], rate(rows)
        precision = counts.pop("fraud_rate")
        found.append({
            **key, "alerts": len(rows), **counts, "precision_known": precision,
            "expected": known.sum() if len(known) else None, "precision_expected": rows["anomaly_signal"].mean(),
        })  # fmt: skip
    return found


def riskiest_accounts(_: pd.DataFrame, scored: pd.DataFrame, __: pd.DataFrame) -> list[Row]:
    found = []
    for key, rows in groups(scored.dropna(subset="account_id"), "account_id", "currency"):
        alerts = rows[rows["anomaly_signal"] >= REVIEW]
        found.append({
            **key, "payments": len(rows), "alerts": len(alerts), "highest_signal": rows["anomaly_signal"].max(),
            "amount_alerted": cents(alerts["amount"]), "frauds": labels(rows)["frauds"],
            "last_payment": rows["event_time"].max().tz_localize(None).to_pydatetime(),
        })  # fmt: skip
    return found


def detection_delay(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    frauds = known[known["label"] == 1]
    days = sorted((frauds["known_at"] - frauds["event_time"]).dt.days)
    return [
        {"days": day, "frauds": days.count(day), "frauds_until_then": sum(other <= day for other in days),
         "share_until_then": sum(other <= day for other in days) / len(days)}
        for day in sorted(set(days))
    ]  # fmt: skip


def signal_distribution(_: pd.DataFrame, scored: pd.DataFrame, __: pd.DataFrame) -> list[Row]:
    band = np.floor(2 * np.log10(scored["anomaly_signal"].clip(lower=1e-5))).astype(int)
    found = []
    for key, rows in groups(scored.assign(band=band), "band"):
        signal, known = rows["anomaly_signal"], rows["anomaly_signal"][rows["label"].notna()]
        spread = {"lowest": signal.min(), "highest": signal.max(), "payments": len(rows)}
        found.append({**key, **spread, **labels(rows), "expected": known.sum() if len(known) else None})
    return found


def novelty_drift(_: pd.DataFrame, scored: pd.DataFrame, __: pd.DataFrame) -> list[Row]:
    found = []
    for key, rows in groups(with_week(scored), "week"):
        counts = np.histogram(rows["novelty"], bins=10, range=(0, 1))[0]
        share = counts / len(rows)
        index = ((share - 0.1) * np.log(np.maximum(share, 1e-4) / 0.1)).sum()
        drift = {"in_top_tenth": counts[9], "population_stability_index": index}
        found.append({**key, "payments": len(rows), **drift})
    return found


def label_coverage(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    return [
        {**key, "payments": len(rows), **labels(rows), "share_labelled": rows["label"].notna().mean()}
        for key, rows in groups(with_week(known), "week")
    ]


def missing_values(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    columns = {
        "no_amount": "amount", "no_currency": "currency", "no_account": "account_id", "no_merchant": "merchant_id",
        "no_category": "category", "no_source_ip": "source_ip_id", "no_device": "device_id",
    }  # fmt: skip
    return [
        {**key, "payments": len(rows), **{name: int(rows[column].isna().sum()) for name, column in columns.items()}}
        for key, rows in groups(with_week(known), "week")
    ]


def late_files(known: pd.DataFrame, *_: pd.DataFrame) -> list[Row]:
    found = []
    for key, rows in groups(known, "source"):
        times = rows["event_time"].dt.tz_localize(None)
        late = int((times.max() - times > pd.Timedelta(days=2)).sum())
        ends = {"first_payment": times.min().to_pydatetime(), "last_payment": times.max().to_pydatetime()}
        found.append({**key, "payments": len(rows), **ends, "late": late, "share_late": late / len(rows)})
    return found


def rejected_rows(*_: pd.DataFrame) -> list[Row]:
    lines = {f"r{rest}": [line for line in range(10) if line % 3 == rest] for rest in range(3)}
    return [
        {"reason": reason, "source": "old.csv", "rows_rejected": len(some), "first_line": min(some),
         "last_line": max(some)}
        for reason, some in lines.items()
    ]  # fmt: skip
