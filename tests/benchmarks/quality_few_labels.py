"""Few labels: average precision on the test window when only some frauds of the training window are known.

Of the known frauds the first by the hash of their ids stay; the rows of the others leave training. Ours has its
defaults at every point. The peers get the same rows and the same evidence; with --tuned each chooses among its
settings as in quality.py, without it takes the first of them. Where no fraud is known, ours ranks by novelty.

Takes half a minute of a core for ulb and about ten for the handbook with --good-rows 60000; more with --tuned.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from quality_cases import Case, cases_named
from quality_compare import OURS
from quality_evidence import (
    Material,
    fit,
    judged_payments,
    labels_of,
    lake_of,
    opened,
    score,
    table_arguments,
    training_material,
)
from quality_peers import PEERS, Peer, run_peer
from quality_run import Rows
from quality_tables import number
from report import markdown_table, print_machine, write_json
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Flags, Labels
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.encoding.encoder import Encoder
from counterfoil.domain.schemas import FRAUD

CASES = ("transactions_2019", "handbook", "ulb")
KNOWN = (0, 20, 100)
SUPERVISED = ("logistic-regression", "random-forest", "lightgbm", "xgboost")
WITHOUT_LABELS = ("isolation-forest", "ecod")


@dataclass(frozen=True)
class Point:
    """One point of a learning curve: how many frauds were known, what ours ranked by, all average precisions."""

    frauds: int
    kind: str
    precision: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def best_peer(self) -> tuple[str, float]:
        """The peer with the highest average precision."""
        return max(((name, value) for name, value in self.precision.items() if name != OURS), key=lambda one: one[1])


def main() -> None:
    """Measure the curves that were asked for and print their tables."""
    options = _options()
    print_machine("start")
    found: dict[str, list[Point]] = {}
    with opened(options.lakes) as (workspace, lakes):
        for case in cases_named(options.cases or CASES):
            tables = lake_of(case, workspace, lakes)
            windows = case.windows(tables)
            material = training_material(tables, case, windows, options.good_rows)
            judged = judged_payments(tables, case, windows)
            found[case.name] = curve(case, material, judged, workspace.embedder.embed, options)
            print(f"\n{table_of(case.name, found[case.name])}", flush=True)
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text("\n\n".join(table_of(*one) for one in found.items()) + "\n")
    write_json(options.json, {"benchmark": "few labels", "cases": {name: as_dicts(one) for name, one in found.items()}})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"as in quality.py; {', '.join(CASES)} if none")
    parser.add_argument("--known", nargs="+", type=int, default=[*KNOWN], help="numbers of frauds; all comes last")
    parser.add_argument("--good-rows", type=int, help="at most so many good payments in training (200,000)")
    parser.add_argument("--tuned", action="store_true", help="let the peers choose among their settings")
    return parser.parse_args()


def first_frauds(labels: Labels, most: int) -> Flags:
    """The good rows and the first `most` frauds (rows,): rows in the order of a hash make that a fair sample."""
    fraud = labels == FRAUD
    return ~fraud | (np.cumsum(fraud) <= most)


def points(known: Sequence[int], frauds: int) -> tuple[int, ...]:
    """How many frauds are kept at each point, ascending: the numbers asked for that are fewer, and all."""
    return (*sorted({number for number in known if 0 <= number < frauds}), frauds)


def curve(case: Case, material: Material, judged: pa.Table, embed: Embed, options: argparse.Namespace) -> list[Point]:
    """Fit ours and the peers at each point."""
    found = []
    for frauds in points(options.known, int(material.labels.sum())):
        kept = material.take(first_frauds(material.labels, frauds))
        found.append(measured(kept, judged, embed, tuned=options.tuned))
        figures = ", ".join(f"{name} {value:.3f}" for name, value in found[-1].precision.items())
        print(f"  {case.name}, {frauds} frauds: {figures}", file=sys.stderr, flush=True)
    return found


def measured(material: Material, judged: pa.Table, embed: Embed, *, tuned: bool) -> Point:
    """Ours and the peers that can use what is known, fitted on the same rows."""
    start = time.process_time()
    fitted = fit(material, embed)
    signals = score(fitted, judged, fitted.encoder.encode(judged, embed)).signals
    frauds, labels = int(material.labels.sum()), labels_of(judged)
    precision = {OURS: float(average_precision_score(labels, signals))}
    print(f"    {OURS}: {time.process_time() - start:.0f} s of CPU", file=sys.stderr, flush=True)
    training, asked = _rows(material, fitted.encoder), fitted.encoder.forest_input(judged)
    for name in SUPERVISED if frauds else WITHOUT_LABELS:
        done = run_peer(_peer(name, tuned=tuned), training, asked)
        precision[done.name] = float(average_precision_score(labels, done.scores))
    return Point(frauds, fitted.calibration.kind.value, precision, fitted.notes)


def _peer(name: str, *, tuned: bool) -> Peer:
    peer = PEERS[name]
    return peer if tuned else replace(peer, grid=peer.grid[:1])


def _rows(material: Material, encoder: Encoder) -> Rows:
    weights: Doubles = material.weights
    return Rows(material.payments, encoder.forest_input(material.payments), weights)


def table_of(case: str, found: Sequence[Point]) -> str:
    """One case: a row a system, a column a point."""
    names = dict.fromkeys(name for point in found for name in point.precision)
    header = ["", *(f"{point.frauds:,} frauds ({point.kind})" for point in found)]
    rows = [[name, *(number(point.precision.get(name)) for point in found)] for name in names]
    leads = [point.precision[OURS] - point.best_peer[1] for point in found]
    rows.append(["ours less the best peer", *(f"{'+' * (lead >= 0)}{number(lead)}" for lead in leads)])
    return markdown_table(f"{case}: average precision by the frauds known", header, rows)


def as_dicts(found: Sequence[Point]) -> list[dict[str, Any]]:
    """The points as plain data for JSON."""
    return [
        {"frauds": point.frauds, "signal": point.kind, "average_precision": dict(point.precision), "notes": point.notes}
        for point in found
    ]


if __name__ == "__main__":
    main()
