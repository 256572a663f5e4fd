"""A policy of 200 rules: what it adds to one payment online, and a backtest of it beside evaluating it row by row.

Online, the policy decides as the service lets it: on the score, evidence and payment of one row, with lists of a
million entries. The backtest is `steps.insights.policy_trial.backtest_policy` from files to figures, intervals
included; its peer evaluates the same rules by cel-expr-python payment by payment, on a sample, scaled up to all.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from policy_cases import FIELDS, listed, rule_text, scored_run
from report import arguments, print_machine, print_table, verdict, write_json
from timing import timed

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.policy.contender import Contender
from counterfoil.domain.policy.lists import NO_LISTS
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.policy.rules import read_rules
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import SCORES
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.steps.insights.policy_trial import backtest_policy
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.scoring.apply_policy import decide_rows, inputs, payments_of_rows

MOST_P99_MS, LEAST_RATIO = 0.5, 10.0
WARM_UP = 200
NOW = datetime(2026, 6, 1, tzinfo=UTC)
THRESHOLDS = Thresholds(0.995, 0.9995)


def main() -> None:
    """Make payments, time each way, print the table."""
    options = _options()
    print_machine("start")
    rules = read_rules(rule_text(options.rules), FIELDS)
    with TemporaryDirectory(prefix="cft-", dir="/tmp") as name:
        tables = scored_run(Path(name), options.payments, "run")
        sample = _sample(tables, options.sample)
        policy = Policy(rules, listed(options.entries, NOW - timedelta(days=9)))
        online = _online(policy, *sample, options.online)
        lap, times = timed(lambda: _row_by_row(Policy(rules, NO_LISTS), *sample)), options.payments / options.sample
        tried = Contender(Policy(rules, NO_LISTS), THRESHOLDS)
        ours = timed(lambda: backtest_policy(tables, "run", tried, Contender(None, THRESHOLDS)))
    ratio = lap.cpu * times / ours.cpu
    title = (
        f"{options.rules} rules, {options.entries:,} entries of lists: milliseconds that the policy adds to a payment"
    )
    print_table(title, ["", "p50", "p99"], [[way, *figures] for way, figures in online.items()])
    p99 = online["as the service does"][1]
    print(f"\np99 at most {MOST_P99_MS:g} ms: {verdict(p99 <= MOST_P99_MS)}")
    title = f"{options.rules} rules over {options.payments:,} scored payments"
    rows: list[list[object]] = [
        ["backtest, from files to figures", ours.wall, ours.cpu],
        [f"row by row with cel-expr-python ({options.sample:,}, scaled)", lap.wall * times, lap.cpu * times],
        [
            f"ratio (at least {LEAST_RATIO:g}, by CPU): {verdict(ratio >= LEAST_RATIO)}",
            lap.wall * times / ours.wall,
            ratio,
        ],
    ]
    print_table(title, ["", "wall, s", "CPU, s"], rows)
    print_machine("\nend")
    figures = {"online_ms": online, "backtest": vars(ours), "row_by_row": vars(lap), "times": times}
    write_json(options.json, {"benchmark": "policy", **vars(options) | {"json": None}, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the lists")
    parser.add_argument("--payments", type=int, default=10_000_000, help="scored payments to try the rules on")
    parser.add_argument("--sample", type=int, default=20_000, help="of them, those that are evaluated row by row")
    parser.add_argument("--online", type=int, default=2_000, help="payments that are decided on one by one")
    return parser.parse_args()


def _sample(tables: FolderTables, rows: int) -> tuple[pa.Table, pa.Table]:
    """The first payments of the run: scores and evidence."""
    with engine() as database:
        scores, evidence = (
            database.sql(f"FROM {parquet_source(tables.files(table, 'run'))} ORDER BY transaction_id LIMIT {rows}")
            .to_arrow_table()
            for table in (SCORE_TABLE, SCORED_EVIDENCE)
        )  # fmt: skip
    columns = [
        scores[field.name] if field.name in scores.column_names else pa.nulls(rows, field.type) for field in SCORES
    ]
    return pa.table(columns, names=SCORES.names).cast(SCORES), evidence


def _online(policy: Policy, scores: pa.Table, evidence: pa.Table, payments: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of deciding on one payment: p50, p99, as the service does it and what of it are rules and lists."""
    singles = [(scores.slice(row, 1), evidence.slice(row, 1)) for row in range(payments + WARM_UP)]
    rows = [_payment(fact) for _, fact in singles]
    plain = [(score.to_pylist(), fact.to_pylist()) for score, fact in singles]
    read = [
        inputs(policy, *one, payments_of_rows(policy, [row])).to_pylist()[0]
        for one, row in zip(singles, rows, strict=True)
    ]
    return {
        "as the service does": _quantiles(lambda at: decide_rows(policy, *plain[at], [rows[at]], NOW), payments),
        "rules and lists alone": _quantiles(lambda at: policy.decide(read[at], "allow", NOW), payments),
        "lists alone": _quantiles(lambda at: policy.lists.hits(read[at], NOW), payments),
    }


def _payment(fact: pa.Table) -> dict[str, Any]:
    [row] = fact.to_pylist()
    names = ("account_id", "merchant_id", "category", "currency", "amount")
    return {name: row.get(name) for name in names} | {"device_id": None, "source_ip_id": None, "card_bin": "411111"}


def _quantiles(work: Callable[[int], object], payments: int) -> tuple[float, float]:
    took = []
    for at in range(payments + WARM_UP):
        begun = time.perf_counter()
        work(at)
        took.append(1000 * (time.perf_counter() - begun))
    p50, p99 = np.quantile(took[WARM_UP:], [0.5, 0.99])
    return float(p50), float(p99)


def _row_by_row(policy: Policy, scores: pa.Table, evidence: pa.Table) -> int:
    """Evaluate the rules one payment after the other; the table is read into rows before, which costs little."""
    columns = {
        name: (scores if name in scores.column_names else evidence)[name].to_pylist()
        for name in policy.rules.kinds
        if name in (*scores.column_names, *evidence.column_names)
    }
    names = list(columns)
    return sum(
        bool(policy.rules.online.hits(dict(zip(names, values, strict=True))))
        for values in zip(*columns.values(), strict=True)
    )


if __name__ == "__main__":
    main()
