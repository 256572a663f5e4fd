"""An audit of references: how many of the flipped labels are among the first that it suspects.

Of the training window's labels one in a hundred is flipped, by chance; the release is fitted on what is said then. The
audit is `domain.scoring.suspects`, as `counterfoil references suspects` runs it.
"""

import argparse

import numpy as np
import pyarrow as pa
from quality_cases import cases_named
from quality_evidence import Material, base_of, fit, lake_of, opened, table_arguments, training_material
from report import markdown_table, print_machine, verdict, write_json

from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.schemas import FRAUD
from counterfoil.domain.scoring.suspects import margins_of_others

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
                flipped, said = _flipped(material, seed)
                found = _audited(said, flipped, workspace.embedder.embed)
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
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--good-rows", type=int, help="at most so many good payments in training (200,000)")
    return parser.parse_args()


def _flipped(material: Material, seed: int) -> tuple[set[str], Material]:
    """The ids of the payments whose labels are flipped, and the material that says so."""
    labels = material.labels
    rows = np.random.default_rng(seed).choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    said = labels.copy()
    said[rows] = 1 - said[rows]
    place = material.payments.schema.get_field_index("label")
    field = material.payments.schema.field(place)
    payments = material.payments.set_column(place, field, pa.array(said).cast(field.type))
    names = material.payments["transaction_id"].take(pa.array(rows)).to_pylist()
    return set(names), Material(payments, material.weights, material.schema)


def _audited(material: Material, flipped: set[str], embed: Embed) -> dict[str, float]:
    fitted = fit(material, embed)
    vectors, labels = base_of(fitted)
    signal = fitted.calibration.probability(margins_of_others(vectors, labels, fitted.neighbours))
    doubt = np.where(labels == FRAUD, 1.0 - signal, signal)
    wrong = np.array([name in flipped for name in fitted.references["reference_id"].to_pylist()])
    first = np.argsort(-doubt, kind="stable")[: round(LOOKED_AT * len(labels))]
    found = int(wrong[first].sum())
    return {"references": len(labels), "flipped": int(wrong.sum()), "found": found,
            "share": found / max(int(wrong.sum()), 1)}  # fmt: skip


if __name__ == "__main__":
    main()
