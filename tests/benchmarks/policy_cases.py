"""Made-up rules, lists and scored payments of any number, for the benchmark of policies."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.lists import ENTRIES, Lists
from counterfoil.domain.schemas import SCORES, TRANSACTION_FIELDS
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE, TRANSACTIONS
from counterfoil.steps.lake.engine import engine

FIELDS = known_fields()
EVIDENCE = ("account_count_1h", "account_count_1d", "account_count_7d", "account_amount_sum_1d",
            "account_amount_mean_30d", "account_amount_max_30d", "account_amount_deviations_30d",
            "account_seconds_since_previous_30d", "merchant_count_1d", "merchant_accounts_1d",
            "merchant_fraud_rate_30d", "source_ip_count_1d")  # fmt: skip
_CONDITIONS = (
    "account_count_1h > {n}.0 && amount > {m}.0",
    "amount > {m}.0 && !(merchant_id in ['shop {n}', 'shop {m}', 'shop 7'])",
    "account_amount_sum_1d / account_amount_mean_30d > {n}.0 && known(merchant_fraud_rate_30d)",
    "anomaly_signal > 0.9 && merchant_count_1d < {n}.0 || account_amount_deviations_30d > {m}.0",
    "category == 'c{n}' && account_seconds_since_previous_30d < 60.0 && account_count_1d > 5.0",
    "amount > account_amount_max_30d * {n}.0 && currency != 'EUR'",
    "merchant_id.startsWith('shop {n}') && novelty > 0.99 && source_ip_count_1d > 3.0",
    "(account_count_7d > {m}.0 ? amount > 50.0 : amount > 500.0) && merchant_fraud_rate_30d > 0.2",
)
"""What analysts write: bursts, sums, shares, names; `n` and `m` are numbers of the rule."""
_EFFECTS = ("review", "review", "block", "review", "allow", "fatal block")


def rule_text(count: int) -> str:
    """A rule set of so many rules, as its file has it; one payment in some meets any of them."""
    lines = ['name = "bench"']
    for number in range(count):
        condition = _CONDITIONS[number % len(_CONDITIONS)].format(n=4 + number % 23, m=900 + number)
        effect = _EFFECTS[number % len(_EFFECTS)]
        lines += ["[[rule]]", f'id = "r{number}"', f"when = '''{condition}'''", f'effect = "{effect}"']
        lines += ['owner = "desk"', 'reason = "measured"']
    return "\n".join(lines)


def listed(entries: int, since: datetime) -> Lists:
    """A block list of accounts, as keyed hashes, of which few pay."""
    columns = {
        "list": pa.repeat("stolen", entries), "effect": pa.repeat("block", entries),
        "entity": pa.repeat("account", entries),
        "value": pc.binary_join_element_wise("a", np.arange(entries).astype(str), ""),
        "since": pa.repeat(pa.scalar(since, ENTRIES.field("since").type), entries),
        "until": pa.nulls(entries, ENTRIES.field("until").type),
    }  # fmt: skip
    return Lists(pa.table(columns).select(ENTRIES.names).cast(ENTRIES))


_MADE = """
SELECT 't' || lpad(n::VARCHAR, 9, '0') AS transaction_id,
  TIMESTAMPTZ '2026-01-01' + to_seconds(n * {apart}) AS event_time,
  'a' || (hash(n) % 200000 * 17)::VARCHAR AS account_id, 'shop ' || (hash(n, 1) % 3000)::VARCHAR AS merchant_id,
  'c' || (hash(n, 2) % 40)::VARCHAR AS category, CASE WHEN hash(n, 3) % 10 = 0 THEN 'USD' ELSE 'EUR' END AS currency,
  round(exp(ln(20.0) + ({u4} + {u5} + {u6} - 1.5) * 2.2), 2) AS amount, {u7} ^ 8 AS anomaly_signal,
  (hash(n, 8) % 500 = 0)::TINYINT AS label, {evidence}
FROM range({rows}) AS made(n)
"""


def scored_run(root: Path, rows: int, run: str) -> FolderTables:
    """A lake with so many payments of half a year, their scores as `run`, and the evidence that was kept with them."""
    tables = FolderTables(root)
    evidence = ", ".join(
        f"CASE WHEN hash(n, {place + 20}) % 12 > 0 THEN {_share(place + 40)} * {3.0 * (place % 7 + 1)} END AS {name}"
        for place, name in enumerate(EVIDENCE)
    )
    shares = {f"u{place}": _share(place) for place in (4, 5, 6, 7)}
    made = _MADE.format(rows=rows, apart=180 * 86_400 / rows, evidence=evidence, **shares)
    scores = {
        "signal_kind": "'calibrated'", "decision": "'allow'", "margin": "0.0", "fraud_similarity": "anomaly_signal",
        "good_similarity": "0.5", "novelty": "anomaly_signal", "release_id": "'r'", "overlay_seq": "0",
    }  # fmt: skip
    payments = {"source": "'made'", "source_line": "n"}
    with engine() as database:
        for table, schema, given in (
            (TRANSACTIONS, pa.schema(list(TRANSACTION_FIELDS)), payments), (SCORED_EVIDENCE, None, {}),
            (SCORE_TABLE, SCORES, scores),
        ):  # fmt: skip
            path = tables.stage(table, run) / "part-0.parquet"
            columns = f"transaction_id, event_time, account_id, merchant_id, {', '.join(EVIDENCE)}"
            if schema is not None:
                kept = [field for field in schema if field.name not in ("reasons", "precedents")]
                columns = ", ".join(f"{_value(field, given)} AS {field.name}" for field in kept)
            query = made.replace("SELECT ", "SELECT n, ", 1)
            database.execute(f"COPY (SELECT {columns} FROM ({query})) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
            tables.publish(table, run)
    return tables


_NAMED = (
    "transaction_id",
    "event_time",
    "account_id",
    "merchant_id",
    "category",
    "currency",
    "anomaly_signal",
    "label",
)


def _value(field: pa.Field, given: dict[str, str]) -> str:
    """A column of a table, of what is made or given; else null of its type."""
    if field.name in given:
        return given[field.name]
    if field.name == "amount":
        return "amount::DECIMAL(18, 4)"
    if field.name in _NAMED:
        return field.name
    kind = "VARCHAR[]" if field.name == "policy_hits" else "VARCHAR"
    kind = "DOUBLE" if field.type == pa.float64() else "BOOLEAN" if field.type == pa.bool_() else kind
    return f"NULL::{'TIMESTAMPTZ' if field.name == 'label_time' else kind}"


def _share(place: int) -> str:
    """A number in [0, 1) that follows from the payment's number."""
    return f"(hash(n, {place}) / 18446744073709551616.0)"
