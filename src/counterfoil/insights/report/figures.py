"""The key figures: sums by account of the period and of the one before, and what they come to."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from counterfoil.adapters.report.page import Figure, Section, percent
from counterfoil.domain.arrays import Doubles
from counterfoil.domain.evaluation.key_figures import ACCOUNT_SUMS, FEWEST_ACCOUNTS, SHARES, KeyFigure, key_figures
from counterfoil.insights.queries import Query, QueryParameters
from counterfoil.insights.report.source import Source

_PAID = Query("paid_by_account", "What did each account pay?", """
SELECT
  coalesce(account_id, transaction_id) AS account,
  count(*) AS payments,
  sum(CASE WHEN coalesce(currency, '') = :currency THEN amount END) AS volume,
  count(label) AS labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  sum(CASE WHEN label = 1 AND coalesce(currency, '') = :currency THEN amount END) AS loss
FROM known_payments
GROUP BY coalesce(account_id, transaction_id)
ORDER BY account
""")  # fmt: skip
_SCORED = Query("scored_by_account", "How was each account scored?", """
SELECT
  coalesce(account_id, transaction_id) AS account,
  count(*) AS scored,
  count(CASE WHEN anomaly_signal >= :review THEN 1 END) AS alerts,
  count(CASE WHEN anomaly_signal >= :review THEN label END) AS alerts_labelled,
  count(CASE WHEN anomaly_signal >= :review AND label = 1 THEN 1 END) AS alert_frauds,
  count(CASE WHEN label = 1 THEN 1 END) AS scored_frauds,
  sum(CASE WHEN anomaly_signal >= :review THEN anomaly_signal END) AS alert_signal
FROM scored_payments
GROUP BY coalesce(account_id, transaction_id)
ORDER BY account
""")  # fmt: skip
_CURRENCIES = Query("currencies", "Which currencies were paid in?", """
SELECT coalesce(currency, '') AS currency, count(*) AS payments
FROM known_payments
GROUP BY coalesce(currency, '')
ORDER BY payments DESC, currency
""")  # fmt: skip

_MEANINGS = {
    "payments": ("Payments", "all that were collected"),
    "volume": ("Volume", "sum of the amounts"),
    "fraud_rate": ("Fraud rate", "known frauds of the payments whose label is known"),
    "frauds": ("Known frauds", "by the labels known so far"),
    "loss": ("Loss", "sum of the amounts of known frauds"),
    "alerts": ("Alerts", "payments at or above the threshold of review"),
    "alert_share": ("Alert share", "alerts of the scored payments"),
    "alert_precision": ("Alert precision", "known frauds of the alerts whose label is known"),
    "expected_precision": ("Expected precision", "mean signal of all alerts: needs no label, holds if calibrated"),
    "alert_recall": ("Recall", "known frauds that were alerted on, of those that were scored"),
}
_OF_SCORES = ("alerts", "alert_share", "alert_precision", "expected_precision", "alert_recall")
_DASH = "–"
COMPARABLE = 0.5
"""Scores are compared with those of a period in which at least this part of the period's share was scored."""


def key_section(source: Source) -> Section:
    """The key figures of the period beside the period before."""
    currency = _main_currency(source)
    now, before = (_by_account(source, parameters, currency) for parameters in (source.parameters, source.before))
    accounts = now.index.union(before.index)
    found = key_figures(_array(now, accounts), _array(before, accounts))
    if 0 < len(accounts) < FEWEST_ACCOUNTS:
        source.note(f"{len(accounts)} accounts only: too few for intervals.")
    if not before["payments"].sum():
        source.note("The period before has no payments: there are no changes to show.")
    if now["payments"].sum() and not now["labelled"].sum():
        source.note("No payment of the period has a label that is known: rates, losses and precision are missing.")
    if _scored_less(source, now, before):
        found |= {key: replace(found[key], change=None, change_interval=None) for key in _OF_SCORES}
    keys = [key for key in _MEANINGS if now["scored"].sum() or key not in _OF_SCORES]
    intro = (
        f"Beside the {(source.asked.until - source.asked.since).days} days before. Intervals are 95 %, over draws of "
        "whole accounts; those of a change draw an account with both of its periods."
    )
    figures = [_shown(found[key], currency) for key in keys]
    return Section("key", "Key figures", intro, figures=figures)


def _scored_less(source: Source, now: pd.DataFrame, before: pd.DataFrame) -> bool:
    """Whether so few payments of the period before were scored that nothing of scores can be compared; it is told."""
    scored, payments = (int(before[name].sum()) for name in ("scored", "payments"))
    less = scored * now["payments"].sum() < COMPARABLE * payments * now["scored"].sum()
    if less:
        source.note(
            f"Of the {payments:,} payments of the period before only {scored:,} were scored: what rests on scores is "
            "not compared with it."
        )
    return bool(less)


def _main_currency(source: Source) -> str:
    """The currency of most payments, in which money is counted; '' is none. The others get a notice."""
    table = source.answer(_CURRENCIES, source.parameters)
    rows = [] if table is None else table.to_pylist()
    if len(rows) > 1:
        others = ", ".join(f"{row['currency'] or 'unknown'} ({row['payments']:,} payments)" for row in rows[1:6])
        source.note(
            f"Key figures of money are in {rows[0]['currency'] or 'no currency'} only. There are also: {others}."
        )
    return str(rows[0]["currency"]) if rows else ""


def _by_account(source: Source, parameters: QueryParameters, currency: str) -> pd.DataFrame:
    """Sums by account, with a column for each of ACCOUNT_SUMS."""
    parts = []
    for wanted in (_PAID, _SCORED):
        text = wanted.text.replace(":currency", f"'{currency.replace(chr(39), chr(39) * 2)}'")
        table = source.answer(Query(wanted.name, wanted.question, text), parameters)
        if table is not None:
            parts.append(_as_doubles(table).to_pandas().set_index("account"))
    whole = pd.concat(parts, axis=1) if parts else pd.DataFrame()
    return whole.reindex(columns=list(ACCOUNT_SUMS)).astype(float).fillna(0.0)


def _as_doubles(table: pa.Table) -> pa.Table:
    fields = [f if pa.types.is_string(f.type) else f.with_type(pa.float64()) for f in table.schema]
    return table.cast(pa.schema(fields))


def _array(sums: pd.DataFrame, accounts: pd.Index) -> Doubles:
    return np.asarray(sums.reindex(accounts).fillna(0.0).to_numpy(dtype=np.float64))


def _shown(figure: KeyFigure, currency: str) -> Figure:
    label, meaning = _MEANINGS[figure.key]
    money = figure.key in ("volume", "loss")

    def say(value: float | None) -> str:
        if value is None:
            return _DASH
        if figure.key in SHARES:
            return percent(value)
        return f"{Decimal(round(value)):,}{f' {currency}' if money and currency else ''}"

    interval = f"{say(figure.interval[0])} to {say(figure.interval[1])}" if figure.interval else "no interval"
    return Figure(label, say(figure.value), interval, say(figure.before), _change(figure), meaning)


def _change(figure: KeyFigure) -> str:
    if figure.change is None:
        return ""
    unit = "points" if figure.key in SHARES else "%"
    bounds = figure.change_interval
    between = f" ({bounds[0] * 100:+.1f} to {bounds[1] * 100:+.1f})" if bounds else ""
    # Rounded first, and no '-0.0': a change too small to show is none.
    return f"{round(figure.change * 100, 1) + 0.0:+.1f} {unit}{between}"
