"""All default features of copies of the card year, and of the Handbook's payments, against the build of 860ca29.

Both build from the same lake, in turns, each in a process of its own. The two results are compared cell by cell.
With `--growth` this build alone, on these copies and on ten times as many.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from card_year import MAPPING
from card_year_copies import write_copies
from earlier_build import COMMIT, ROOT, build_evidence, checked_out, differing, evidence_in
from measuring_data import HANDBOOK, TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.steps.intake.collect import collect

LEAST = 5.0
"""Times as fast as the earlier build."""
MOST_MEMORY = 1e9
MOST_DIFFERENCE = 1e-9
GROWN, MOST_TIMES, MOST_TIMES_MEMORY = 10, 12.0, 1.2


def main() -> None:
    """Collect, build with both, compare, print the table."""
    options = _options()
    print_machine("start")
    if options.growth:
        _growth(options)
        return
    with tempfile.TemporaryDirectory(prefix="cfo-", dir=options.folder) as name, checked_out() as earlier:
        lake, mapping = _collected(Path(name), options, options.copies)
        laps: dict[str, list[Any]] = {"earlier": [], "fold": []}
        for _ in range(options.repeat):
            laps["fold"].append(build_evidence(ROOT, lake, mapping, None))
            shutil.copy(FolderTables(lake).files("evidence")[0], Path(name) / "fold.parquet")
            laps["earlier"].append(build_evidence(earlier, lake, mapping, None))
        worst = differing(evidence_in(lake), pq.ParquetFile(Path(name) / "fold.parquet"))
    best = {way: min(found, key=lambda lap: lap["wall_s"]) for way, found in laps.items()}
    ratio = best["earlier"]["wall_s"] / best["fold"]["wall_s"]
    table = [[way, lap["wall_s"], lap["cpu_s"], lap["peak_bytes"] / 1e9] for way, lap in best.items()]
    table.append([f"ratio (at least {LEAST:g}): {verdict(ratio >= LEAST)}", ratio,
                  best["earlier"]["cpu_s"] / best["fold"]["cpu_s"],
                  best["earlier"]["peak_bytes"] / best["fold"]["peak_bytes"]])  # fmt: skip
    rows = best["fold"]["rows"]
    print_table(f"All default features of {rows:,} payments", ["", "wall, s", "CPU, s", "peak, GB"], table)
    print(f"\npeak of the fold at most 1 GB: {verdict(best['fold']['peak_bytes'] <= MOST_MEMORY)}")
    same = verdict(max(worst.values(), default=0.0) <= MOST_DIFFERENCE)
    print(f"columns that are not those of {COMMIT} to the bit: {worst or 'none'}; equal to 1e-9: {same}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "fold", "earlier": COMMIT, "laps": laps, "differing": worst})


def _growth(options: argparse.Namespace) -> None:
    laps = []
    for copies in (options.copies, GROWN * options.copies):
        with tempfile.TemporaryDirectory(prefix="cfo-", dir=options.folder) as name:
            laps.append(build_evidence(ROOT, *_collected(Path(name), options, copies), None))
    table = [[f"{lap['rows']:,}", lap["wall_s"], lap["cpu_s"], lap["peak_bytes"] / 1e9] for lap in laps]
    times, memory = (laps[1][what] / laps[0][what] for what in ("cpu_s", "peak_bytes"))
    table.append(["times", laps[1]["wall_s"] / laps[0]["wall_s"], times, memory])
    print_table("All default features of more payments", ["payments", "wall, s", "CPU, s", "peak, GB"], table)
    print(f"\nat most {MOST_TIMES:g} times the CPU: {verdict(times <= MOST_TIMES)}")
    print(f"at most {MOST_TIMES_MEMORY:g} times the memory: {verdict(memory <= MOST_TIMES_MEMORY)}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "fold growth", "laps": laps})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where some GB are put for the while")
    parser.add_argument("--copies", type=int, default=10, help="of the card year, 301,829 payments each")
    parser.add_argument("--growth", action="store_true", help="this build alone, and how it grows")
    parser.add_argument("--handbook", action="store_true", help="the Handbook's payments instead")
    parser.add_argument("--repeat", type=int, default=1, help="repetitions of each")
    return parser.parse_args()


def _collected(folder: Path, options: argparse.Namespace, copies: int) -> tuple[Path, str]:
    mapping = "fraud-detection-handbook" if options.handbook else MAPPING
    path = data_file(HANDBOOK) if options.handbook else folder / "payments.csv.gz"
    if not options.handbook:
        write_copies(data_file(TRANSACTIONS_2019), path, range(copies))
    tables = FolderTables(folder / "lake")
    collect([path], load_mapping(mapping), key=bytes(32), reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    return folder / "lake", mapping


if __name__ == "__main__":
    main()
