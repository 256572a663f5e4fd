"""Ablation: average precision without each group of evidence, on the last block of time inside the training window.

Each group's columns leave the schema, and everything is fitted anew on what was known before the block: share of
evidence, neighbours and seeds are fixed, so that only the evidence differs. The test window is never read. What the
fits differ by from seed to seed is beside the figure of all evidence: differences below it say nothing, and two
seeds say little.

Takes about a minute of a core for ulb; elsewhere each group and seed is a fit of about a minute.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from quality_cases import Case, cases_named
from quality_evidence import Material, fit, lake_of, opened, score, table_arguments, training_material
from quality_groups import NAMES, size_of, without
from quality_tables import number
from report import markdown_table, print_machine, write_json
from sklearn.metrics import average_precision_score

from counterfoil.domain.encoding.blocks import Embed, remembering
from counterfoil.domain.encoding.odds import BAGGED
from counterfoil.domain.encoding.selection import select_evidence
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.validation import time_splits

CASES = ("transactions_2019", "handbook", "ulb")
GOOD_ROWS = 60_000
ALL = "all evidence"
FIXED = TrainingOptions(machines=(BAGGED,), shares=(0.1,), odds=(0.25,), neighbours=(10,), fold_starts=())
"""Without blocks of its own a fit chooses nothing: it takes the first mixture and number of neighbours."""


@dataclass(frozen=True)
class Ablated:
    """One case: by group (and ALL), how many usable columns it has and its average precision for each seed."""

    columns: Mapping[str, int]
    precision: Mapping[str, tuple[float, ...]]

    def mean(self, name: str) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.precision[name]))

    @property
    def noise(self) -> float:
        """By how much the figures of all evidence differ from seed to seed."""
        return max(self.precision[ALL]) - min(self.precision[ALL])

    def surely(self, name: str) -> bool:
        """Whether each seed's figure of all evidence is above each one without the group."""
        return name in self.precision and min(self.precision[ALL]) > max(self.precision[name])

    def brings(self, name: str) -> float | None:
        """What is lost without the group; None where the case has no column of it."""
        return self.mean(ALL) - self.mean(name) if name in self.precision else None


def main() -> None:
    """Measure the cases that were asked for and print one table of all."""
    options = _options()
    print_machine("start")
    found: dict[str, Ablated] = {}
    with opened(options.lakes) as (workspace, lakes):
        for case in cases_named(options.cases or CASES):
            tables = lake_of(case, workspace, lakes)
            material = training_material(tables, case, case.windows(tables), options.good_rows)
            found[case.name] = ablate(case, material, workspace.embedder.embed, range(options.seeds))
            print(f"\n{table_of(found)}", flush=True)
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(table_of(found) + "\n")
    write_json(options.json, {"benchmark": "ablation", "cases": {name: as_dict(one) for name, one in found.items()}})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"as in quality.py; {', '.join(CASES)} if none")
    parser.add_argument("--seeds", type=int, default=2, help="how many fits each figure is the mean of (%(default)s)")
    parser.add_argument("--good-rows", type=int, default=GOOD_ROWS, help="most good payments in training (%(default)s)")
    return parser.parse_args()


def ablate(case: Case, material: Material, embed: Embed, seeds: Sequence[int]) -> Ablated:
    """Fit with all evidence and without each group that has a usable column."""
    splits, _ = time_splits(material.payments, material.labels, TrainingOptions().fold_starts)
    before, after = (material.take(side) for side in splits[-1])
    usable, _ = select_evidence(before.payments, before.schema)
    columns = {ALL: len(usable.columns)} | {name: size_of(usable, name) for name in NAMES}
    precision = {}
    for name in (name for name, count in columns.items() if count):
        fewer = replace(before, schema=without(before.schema, name))
        precision[name] = tuple(_precision(fewer, after, embed, seed) for seed in seeds)
        print(f"  {case.name}: {name}: {np.round(precision[name], 4)}", file=sys.stderr, flush=True)
    return Ablated(columns, precision)


def _precision(before: Material, after: Material, embed: Embed, seed: int) -> float:
    fitted = fit(before, embed, replace(FIXED, seed=seed))
    margins = score(fitted, after.payments, fitted.encoder.encode(after.payments, remembering(embed))).margins
    return float(average_precision_score(after.labels, margins, sample_weight=after.weights))


def table_of(found: Mapping[str, Ablated]) -> str:
    """A row a group: the change of each case without it, and in how many cases every seed loses."""
    header = ["", *found, "brings something in"]
    rows: list[list[str]] = [[ALL, *(_whole(one) for one in found.values()), ""]]
    for name in NAMES:
        brought = [one.brings(name) for one in found.values()]
        counts = sum(one.surely(name) for one in found.values())
        there = sum(value is not None for value in brought)
        rows.append([f"without {name}", *(_change(one, name) for one in found.values()), f"{counts} of {there}"])
    return markdown_table(
        "Average precision on the last validation block, and the change without a group", header, rows
    )


def _whole(one: Ablated) -> str:
    return f"{number(one.mean(ALL))} (seeds differ by {number(one.noise)}; {one.columns[ALL]} columns)"


def _change(one: Ablated, name: str) -> str:
    brought = one.brings(name)
    return "-" if brought is None else f"{-brought:+.3f} ({one.columns[name]})".replace("0.", ".", 1)


def as_dict(one: Ablated) -> dict[str, Any]:
    """One case as plain data for JSON."""
    return {"columns": dict(one.columns), "average_precision": dict(one.precision), "noise": one.noise}


if __name__ == "__main__":
    main()
