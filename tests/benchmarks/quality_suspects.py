"""An audit of references: how many of the flipped labels are among the first that it suspects.

By chance one label in a hundred is flipped: of the references of a release that was fitted on the true labels
(`--flip references`, a mistake made in the reference set), or of all that the release is fitted on (`--flip training`,
where every fraud becomes a reference and few good payments do, so that far more than a hundredth of the references is
flipped). The audit is `domain.scoring.suspects`, as `counterfoil references suspects` runs it.
"""

import argparse

import numpy as np
import pyarrow as pa
from quality_cases import cases_named
from quality_evidence import Material, base_of, fit, lake_of, opened, table_arguments, training_material
from report import markdown_table, print_machine, verdict, write_json

from counterfoil.domain.arrays import Labels
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.suspects import margins_of_others
from counterfoil.domain.training.training import Fitted

FLIPPED, LOOKED_AT, LEAST = 0.01, 0.02, 0.8


def main() -> None:
    """Flip labels, fit, audit, print the table."""
    options = _options()
    print_machine("start")
    rows, figures = [], {}
    with opened(options.lakes) as (workspace, lakes):
        for case in cases_named(options.cases or ["handbook"]):
            tables = lake_of(case, workspace, lakes)
            material = training_material(tables, case, case.windows(tables), options.good_rows)
            for seed in range(options.seeds):
                found = AUDITS[options.flip](material, seed, workspace.embedder.embed)
                figures[f"{case.name} {seed}"] = found
                rows.append([case.name, seed, found["references"], found["flipped"], found["found"], found["share"]])
    header = ["", "seed", "references", "of them flipped", f"in the first {LOOKED_AT:.0%}", "share"]
    print(f"\n{markdown_table('Flipped labels among the first suspects', header, rows)}")
    met = all(found["share"] >= LEAST for found in figures.values())
    print(f"\nat least {LEAST:.0%}: {verdict(met)}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "suspects", "figures": figures})


def _options() -> argparse.Namespace:
    parser = table_arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="as in quality.py; handbook if none")
    parser.add_argument("--flip", choices=sorted(AUDITS), default="references", help="whose labels are flipped")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--good-rows", type=int, help="at most so many good payments in training (200,000)")
    return parser.parse_args()


def _training_flipped(material: Material, seed: int, embed: Embed) -> dict[str, float]:
    labels = material.labels
    rows = _chosen(len(labels), seed)
    place = material.payments.schema.get_field_index("label")
    field = material.payments.schema.field(place)
    payments = material.payments.set_column(place, field, pa.array(_other(labels, rows)).cast(field.type))
    names = set(material.payments["transaction_id"].take(pa.array(rows)).to_pylist())
    fitted = fit(Material(payments, material.weights, material.schema), embed)
    wrong = np.array([name in names for name in fitted.references["reference_id"].to_pylist()])
    return _audited(fitted, base_of(fitted)[1], wrong)


def _references_flipped(material: Material, seed: int, embed: Embed) -> dict[str, float]:
    fitted = fit(material, embed)
    labels = base_of(fitted)[1]
    rows = _chosen(len(labels), seed)
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[rows] = True
    return _audited(fitted, _other(labels, rows), wrong)


AUDITS = {"training": _training_flipped, "references": _references_flipped}


def _chosen(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(rows, round(FLIPPED * rows), replace=False)


def _other(labels: Labels, rows: np.ndarray) -> Labels:
    said = labels.copy()
    said[rows] = 1 - said[rows]
    return said


def _audited(fitted: Fitted, labels: Labels, wrong: np.ndarray) -> dict[str, float]:
    """How many of the `wrong` references (flags) are among the first suspects, when they bear `labels`."""
    vectors = base_of(fitted)[0]
    signal = fitted.calibration.probability(margins_of_others(vectors, labels, fitted.neighbours))
    doubt = np.where(labels == FRAUD, 1.0 - signal, signal)
    first = np.argsort(-doubt, kind="stable")[: round(LOOKED_AT * len(labels))]
    found = int(wrong[first].sum())
    return {"references": len(labels), "flipped": int(wrong.sum()), "found": found,
            "share": found / max(int(wrong.sum()), 1)}  # fmt: skip


if __name__ == "__main__":
    main()
