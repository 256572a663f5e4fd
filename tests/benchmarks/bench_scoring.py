"""Scores of a workspace's payments in batches and one by one, by this build and by that of 860ca29.

The release is the workspace's champion, in both: the format is the same. Each build scores in a process of its own, on
as many threads as OMP_NUM_THREADS says; the workspace has evidence of `counterfoil features`, made after `demo`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from earlier_build import COMMIT, HERE, ROOT, checked_out
from report import arguments, print_machine, print_table, verdict, write_json

from counterfoil.cores import settle_threads
from counterfoil.domain.release.release import to_files
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.scoring.score import as_scored
from counterfoil.workspace.wiring import open_workspace

LEAST = 4.0
"""Times the rows a second of the earlier build."""
MOST_P50, MOST_P99 = 1.0, 2.0
"""Milliseconds of a score alone."""


def main() -> None:
    """Write what both need, score with both in turns, print the table."""
    options = _options()
    print_machine("start")
    laps: dict[str, list[Any]] = {"now": [], COMMIT: []}
    with tempfile.TemporaryDirectory(prefix="cfs-", dir="/tmp") as name, checked_out() as earlier:
        home = Path(name)
        _write(home, options.workspace)
        for _ in range(options.repeat):
            for build, tree in (("now", ROOT), (COMMIT, earlier)):
                laps[build].append(_scored(tree, home, options.payments))
                (home / "scores.parquet").rename(home / f"{build}.parquet")
        apart = _apart(*(pq.read_table(home / f"{build}.parquet") for build in laps))
    best = {build: min(found, key=lambda lap: lap["cpu_s"]) for build, found in laps.items()}
    _show(best, apart)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "scoring", "earlier": COMMIT, "laps": laps, "largest_difference": apart})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("workspace", type=Path, help="folder with a champion and evidence")
    parser.add_argument("--payments", type=int, default=500, help="payments to score one by one")
    parser.add_argument("--repeat", type=int, default=2, help="repetitions of each build")
    return parser.parse_args()


def _write(home: Path, folder: Path) -> None:
    """The champion, its references and the evidence of all payments, as files."""
    place = open_workspace(folder)
    detector = place.detector()
    (home / "release").mkdir()
    for name, content in to_files(detector.release).items():
        (home / "release" / name).write_bytes(content)
    pq.write_table(detector.references, home / "references.parquet")
    evidence = pa.concat_tables(pq.read_table(file, partitioning=None) for file in evidence_files(place.tables))
    pq.write_table(as_scored(evidence, detector.release), home / "evidence.parquet")


def _scored(tree: Path, home: Path, payments: int) -> Any:
    command = [sys.executable, str(HERE / "scoring_once.py"), str(home), str(payments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)])}
    if tree == ROOT:
        settle_threads(environment)  # as each of our commands begins; the earlier build left it to the libraries
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _apart(one: pa.Table, other: pa.Table) -> float:
    """The largest difference of two signals of a payment."""
    signals = (table.sort_by("transaction_id")["anomaly_signal"].to_numpy() for table in (one, other))
    return float(np.abs(np.subtract(*signals)).max())


def _show(best: dict[str, Any], apart: float) -> None:
    speeds = {build: lap["rows"] / lap["wall_s"] for build, lap in best.items()}
    ratios = {of: best[COMMIT][of] / best["now"][of] for of in ("wall_s", "cpu_s")}
    rows = [[build, lap["wall_s"], lap["cpu_s"], speeds[build]] for build, lap in best.items()]
    rows.append([f"ratio (at least {LEAST:g}): {verdict(ratios['wall_s'] >= LEAST)}", *ratios.values(), ""])
    print_table(f"Scores of {best['now']['rows']:,} payments", ["", "wall, s", "CPU, s", "rows/s"], rows)
    print(f"\nlargest difference of a signal: {apart:.2g}")
    alone = [
        [build, *(float(np.quantile(lap[of], q)) for of in ("alone_ms", "alone_cpu_ms") for q in (0.5, 0.99))]
        for build, lap in best.items()
    ]
    print_table("One payment, milliseconds", ["", "p50", "p99", "CPU p50", "CPU p99"], alone)
    p50, p99 = alone[0][1:3]
    print(f"\nat most {MOST_P50:g} and {MOST_P99:g}: {verdict(p50 <= MOST_P50 and p99 <= MOST_P99)}")


if __name__ == "__main__":
    main()
