"""Novelty: how an unseen kind of fraud ranks, on the Handbook's payments, which name the scenario of each fraud.

For each scenario its frauds leave training, and its frauds of the test week are ranked among the good payments; the
other scenarios' frauds leave the test. The scenario is used for nothing else. Isolation forest, ECOD and KNN see the
same evidence of the same rows.

Takes about six minutes of a core.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring_data import HANDBOOK, data_file
from quality_cases import Case, week
from quality_evidence import fit, judged_payments, lake_of, opened, score, table_arguments, training_material
from quality_peers import PEERS, run_peer
from quality_run import Rows
from quality_tables import number
from report import markdown_table, print_machine, write_json
from sklearn.metrics import average_precision_score, roc_auc_score

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.ports.lake import TableStore

SCENARIOS = {1: "amount above 220", 2: "a terminal for 28 days", 3: "a customer for 14 days, five times the amount"}
UNSUPERVISED = ("isolation-forest", "ecod", "knn")
Figures = Mapping[str, tuple[float, float]]
"""AUC and average precision by system."""


def main() -> None:
    """Leave out each scenario once and print the table."""
    options = _options()
    print_machine("start")
    case = week(options.week, "handbook")
    scenarios = scenario_by_id(data_file(HANDBOOK))
    with opened(options.lakes) as (workspace, lakes):
        found = {
            one: without(case, one, scenarios, lake_of(case, workspace, lakes), workspace.embedder.embed)
            for one in SCENARIOS
        }
    table = table_of(options.week, found)
    print(f"\n{table}")
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(table + "\n")
    write_json(options.json, {"benchmark": "novelty", "week": options.week, "scenarios": found})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("--week", default="2018-08-08", metavar="YYYY-MM-DD", help="the test week's first day")
    return parser.parse_args()


def scenario_by_id(path: Path) -> dict[str, int]:
    """The scenario of each fraud, by transaction id; 0 for good payments."""
    table = pq.read_table(path, columns=["TRANSACTION_ID", "TX_FRAUD_SCENARIO"])
    ids = table.column("TRANSACTION_ID").cast(pa.string()).to_pylist()
    return dict(zip(ids, table.column("TX_FRAUD_SCENARIO").to_pylist(), strict=True))


def of_payments(payments: pa.Table, scenarios: Mapping[str, int]) -> np.ndarray:
    """The scenario of each row."""
    return np.array([scenarios[one] for one in payments.column("transaction_id").to_pylist()])


def without(case: Case, scenario: int, scenarios: Mapping[str, int], tables: TableStore, embed: Embed) -> Figures:
    """Fit without a scenario and rank its frauds among good payments."""
    windows = case.windows(tables)
    material = training_material(tables, case, windows)
    material = material.take(of_payments(material.payments, scenarios) != scenario)
    judged = judged_payments(tables, case, windows)
    kinds = of_payments(judged, scenarios)
    judged = judged.filter(pa.array((kinds == 0) | (kinds == scenario)))
    unseen = of_payments(judged, scenarios) == scenario
    fitted = fit(material, embed)
    ours = score(fitted, judged, fitted.encoder.encode(judged, embed))
    training = Rows(material.payments, fitted.encoder.forest_input(material.payments), material.weights)
    asked = fitted.encoder.forest_input(judged)
    scores = {"Counterfoil, novelty": ours.novelty, "Counterfoil, signal": ours.signals}
    for name in UNSUPERVISED:
        done = run_peer(replace(PEERS[name], grid=({},)), training, asked)
        scores[done.name] = done.scores
    found = {name: ranked(unseen, values) for name, values in scores.items()}
    print(f"  scenario {scenario}, {int(unseen.sum())} frauds: {found}", file=sys.stderr, flush=True)
    return found


def ranked(unseen: np.ndarray, scores: Doubles) -> tuple[float, float]:
    """AUC and average precision."""
    return float(roc_auc_score(unseen, scores)), float(average_precision_score(unseen, scores))


def table_of(first: str, found: Mapping[int, Figures]) -> str:
    """A row a system, two columns a scenario."""
    header = ["", *(f"{scenario}: {SCENARIOS[scenario]}, {what}" for scenario in found for what in ("AUC", "AP"))]
    rows = [
        [name, *(number(value) for figures in found.values() for value in figures[name])]
        for name in next(iter(found.values()))
    ]
    return markdown_table(f"Test week of {first}: frauds of a scenario that training never saw", header, rows)


if __name__ == "__main__":
    main()
