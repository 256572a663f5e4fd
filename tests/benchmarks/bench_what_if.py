"""What a reference decides over a million scores, beside scoring them again.

Takes a workspace with a release that scored (`counterfoil demo`). Some of what it scored is scored again and timed;
the scores stand under other ids as often as it takes for a run of so many. `what_if_of_run` then answers from the
run's files.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from report import arguments, print_machine, print_table, verdict, write_json
from timing import Lap, timed

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.ports.lake import TableStore
from counterfoil.steps.insights.what_if import WhatIf, what_if_of_run
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.workspace.wiring import open_workspace

LEAST_RATIO = 20.0
RUN = "run"


def main() -> None:
    """Score some payments, repeat them to a run, ask of references that many, some and few scores cite."""
    options = _options()
    print_machine("start")
    place = open_workspace(options.workspace)
    detector = place.detector()
    evidence = _scored_before(place.tables, detector, options.distinct)
    detector.score(evidence.slice(0, 512))  # nothing is read for the first time then
    lap = timed(lambda: detector.score(evidence))
    again = lap.wall * options.scores / evidence.num_rows
    scores = detector.score(evidence)
    with TemporaryDirectory(prefix="cft-", dir="/tmp") as name:
        tables = _repeated(Path(name), scores, evidence, options.scores)
        asked = [(reference, *_asked(detector, tables, reference)) for reference in _by_citations(scores)]
    score_cpu = lap.cpu * options.scores / evidence.num_rows
    rows: list[list[object]] = []
    for _, found, took in asked:
        words = f"removed: {found.cited:,} cite it, {found.compared:,} compared, {len(found.flips):,} flips"
        rows.append([words, took.wall, took.cpu, score_cpu / took.cpu])
    rows.append([f"scoring again ({evidence.num_rows:,}, scaled)", again, score_cpu, 1.0])
    print_table(f"what-if over {options.scores:,} scores", ["", "wall, s", "CPU, s", "times as fast, by CPU"], rows)
    least = min(score_cpu / took.cpu for _, _, took in asked)
    print(f"\nat least {LEAST_RATIO:g} times as fast: {verdict(least >= LEAST_RATIO)}")
    print_machine("\nend")
    figures = [
        {"cited": found.cited, "compared": found.compared, "flips": len(found.flips), **vars(took)}
        for _, found, took in asked
    ]
    write_json(options.json, {"benchmark": "what-if", "scores": options.scores, "again_s": again, "asked": figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--distinct", type=int, default=16_384, help="payments that are scored; the others repeat them")
    return parser.parse_args()


def _scored_before(tables: TableStore, detector: Detector, rows: int) -> pa.Table:
    """The evidence of some payments that were scored in this workspace."""
    with engine() as database:
        found = database.sql(f"FROM {parquet_source(tables.files(SCORED_EVIDENCE))} LIMIT {rows}").to_arrow_table()
    return as_scored(found, detector.release)


def _repeated(root: Path, scores: pa.Table, evidence: pa.Table, rows: int) -> FolderTables:
    """A lake whose run has these scores and their evidence, over and over, each time under other ids."""
    tables = FolderTables(root)
    for table, content in ((SCORED_EVIDENCE, evidence), (SCORE_TABLE, scores)):
        place = content.schema.get_field_index("transaction_id")
        with pq.ParquetWriter(tables.stage(table, RUN) / "part-0.parquet", content.schema, compression="zstd") as file:
            for number, first in enumerate(range(0, rows, content.num_rows)):
                part = content.slice(0, min(content.num_rows, rows - first))
                names = pa.array([f"{number}-{name}" for name in part["transaction_id"].to_pylist()])
                file.write_table(part.set_column(place, content.schema.field(place), names))
        tables.publish(table, RUN)
    return tables


def _by_citations(scores: pa.Table) -> list[str]:
    """A reference that most payments cite, one of the middle, and one that hardly any does."""
    cited = scores["precedents"].combine_chunks().flatten().field("reference_id").to_pylist()
    names, counts = np.unique(np.array(cited), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [str(names[order[place]]) for place in (0, len(order) // 2, len(order) - 1)]


def _asked(detector: Detector, tables: FolderTables, reference: str) -> tuple[WhatIf, Lap]:
    found: list[WhatIf] = []
    lap = timed(lambda: found.append(what_if_of_run(detector, tables, RUN, reference)))
    return found[0], lap


if __name__ == "__main__":
    main()
