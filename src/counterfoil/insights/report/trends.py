"""Trends of payments, frauds and losses, alerts, and the tables of merchants, accounts and source IPs."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import takewhile
from typing import Any

import pyarrow as pa

from counterfoil.adapters.report import charts
from counterfoil.adapters.report.page import Chart, Section, Table
from counterfoil.insights.queries import query
from counterfoil.insights.report.source import Source

MOST_DAYS = 120
"""Beyond these, trends are drawn by week: more points are not seen."""


def trend_section(source: Source) -> Section:
    """Payments, fraud rate and loss over the days of the period."""
    answer = source.ask("fraud_by_day")
    if answer is None or not answer.num_rows:
        return Section("trends", "Trends", "No payment was made in this period.")
    rows = _together(answer)
    days = [row["event_date"] for row in rows]
    currency = _one(answer.column("currency").to_pylist())
    rate = [row["frauds"] / row["labelled"] if row["labelled"] else None for row in rows]
    drawn = [
        ("Payments a day", {"payments": [row["payments"] for row in rows]}, "payments", True),
        ("Known frauds of the labelled payments", {"fraud rate": rate}, "share of payments", False),
    ]
    if currency is not None:
        unit = currency or "money"
        drawn.append(("Loss a day", {"loss": [row["loss"] or 0 for row in rows]}, unit, True))
        drawn.append(("Volume a day", {"volume": [row["volume"] or 0 for row in rows]}, unit, True))
    else:
        source.note("There are several currencies: losses and volumes are in the tables, each in its own currency.")
    table = Table("By day", answer)
    return Section("trends", "Trends", charts=[
        Chart(title, charts.by_day(days, series, unit, bars=bars), _words(title, days, series), table)
        for title, series, unit, bars in drawn
    ])  # fmt: skip


def alert_section(source: Source) -> Section:
    """Alerts by day against the budget, and the precision by week beside what the signals promised."""
    volume, precision = source.ask("alert_volume"), source.ask("alert_precision")
    if volume is None or precision is None or not volume.num_rows:
        return Section("alerts", "Alerts", "No payment of this period was scored.")
    rows = volume.to_pylist()
    days = [row["event_date"] for row in rows]
    series = {"alerts": [row["alerts"] for row in rows]}
    title = "Alerts a day"
    drawing, table = (
        charts.by_day(days, series, "alerts", bars=True),
        Table("Alerts by day, against the budget", volume),
    )
    drawn = [Chart(title, drawing, _words(title, days, series), table)]
    weeks = precision.to_pylist()
    if weeks:
        both = {name: [row[f"precision_{name}"] for row in weeks] for name in ("expected", "known")}
        title = "Precision of alerts by week: promised by the signals, and known by now"
        mondays = [row["week"] for row in weeks]
        note = "'expected' sums the signals of the labelled alerts: compare it with 'frauds'."
        drawn.append(Chart(title, charts.by_day(mondays, both, "share of alerts"), _words(title, mondays, both),
                           Table("Precision by week", precision, note)))  # fmt: skip
    review = source.parameters.review
    intro = "The release has no threshold of review: nothing is an alert." if review is None or review > 1 else (
        f"An alert is a payment whose signal is {review:.4f} or more. The mean signal of the alerts is their expected "
        "precision before any label is there; the record beside it says how right that was. Frauds are labelled later "
        f"than good payments: {_ripeness(source)}"
    )  # fmt: skip
    return Section("alerts", "Alerts", intro, charts=drawn)


def _ripeness(source: Source) -> str:
    """How long it takes until frauds are known."""
    delays = source.ask("detection_delay")
    rows = [] if delays is None else delays.to_pylist()
    if not rows:
        return "no fraud is known yet."
    late = next(row["days"] for row in rows if row["share_until_then"] >= 0.95)
    return f"95 % of the known frauds were known within {late} days, so weeks younger than that still change."


def ranking_section(source: Source) -> Section:
    """Where frauds and risks concentrate."""
    captions = {
        "fraud_by_merchant": "Merchants by loss", "fraud_by_category": "Categories by loss",
        "fraud_by_country": "Countries of the source IPs by loss",
        "riskiest_accounts": "Accounts (pseudonyms) by alerts",
        "shared_source_ips": "Source IPs (pseudonyms) that several accounts paid from",
        "risky_prefixes": "Network prefixes by known frauds",
        "blocklisted_source_ips": "Source IPs by the number of blocklists that name them",
        "customer_activity": "Active, new and returning accounts by week",
        "customer_spend": "Largest changes of monthly spend (pseudonyms)",
    }  # fmt: skip
    return Section("rankings", "Merchants, accounts, source IPs", "Press a column's header to sort by it.",
                   tables=_tables(source, captions))  # fmt: skip


def quality_section(source: Source) -> Section:
    """What is missing, late or rejected in the data."""
    captions = {
        "rejected_rows": "Rejected rows by reason and file (of all periods)", "late_files": "Files with late payments",
        "missing_values": "Payments without a value, by week", "label_coverage": "Known labels by week",
        "detection_delay": "Days until a fraud is known",
    }  # fmt: skip
    return Section("quality", "Data quality", tables=_tables(source, captions))


def _tables(source: Source, captions: dict[str, str]) -> Sequence[Table]:
    found = []
    for name, caption in captions.items():
        answer = source.ask(name, top=15)
        if answer is not None:
            found.append(Table(caption, answer, _note(name)))
    return found


def _note(name: str) -> str:
    """What a query's file says below its question, about how to read it."""
    comment = takewhile(lambda line: line.startswith("--"), query(name).text.splitlines()[1:])
    return " ".join(line.removeprefix("--").strip() for line in comment)


def _together(answer: pa.Table) -> list[dict[str, Any]]:
    """The rows of all currencies by day, or by week where there are too many days; money only of one currency."""
    days: dict[date, dict[str, Any]] = {}
    spans = {row["event_date"] for row in answer.select(["event_date"]).to_pylist()}
    weekly = len(spans) > MOST_DAYS
    for row in answer.to_pylist():
        day = row["event_date"]
        day = day - timedelta(days=day.weekday()) if weekly else day
        kept = days.setdefault(
            day, {"event_date": day, "payments": 0, "labelled": 0, "frauds": 0, "loss": 0, "volume": 0}
        )
        for key in ("payments", "labelled", "frauds", "loss", "volume"):
            kept[key] += row[key] or 0
    return [days[day] for day in sorted(days)]


def _one(currencies: Sequence[str | None]) -> str | None:
    """The only currency, '' where none is named; None where there are several."""
    found = {currency or "" for currency in currencies}
    return found.pop() if len(found) == 1 else None


def _words(title: str, days: Sequence[date], series: Mapping[str, Sequence[Any]]) -> str:
    """What a chart shows, for those who do not see it."""
    told = []
    for name, values in series.items():
        known = [float(value) for value in values if value is not None]
        told.append(f"{name} between {min(known):,.4g} and {max(known):,.4g}" if known else f"{name} never known")
    return f"{title}, {days[0]} to {days[-1]}: {'; '.join(told)}"
