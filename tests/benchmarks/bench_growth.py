"""How collecting and curating grow with what is there: from 1 to 100 million payments, a process a step.

The card year is written many times over, with other accounts, source IPs and ids each time: a first file of a million
payments, then files of ten million (4 GB each), one after another into the same lake. Each is removed when it is
collected. Curating begins anew each time. Needs 20 GB of disk and, for all of it, about an hour of two cores.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench_memory import GB, HERE, Peak, run_stage
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, write_json

YEAR = 301_829
FIRST, EACH = 3, 33
"""Copies of the card year in the first file and in each later one."""
FILES = 11
CURATED_AFTER = (1, 2, 4, 6, 11)


def main() -> None:
    """Make, collect and curate file after file, and print the table."""
    options = _options()
    print_machine("start")
    folder = Path(tempfile.mkdtemp(prefix="cfg-", dir=options.folder))
    try:
        peaks = _grow(folder, data_file(TRANSACTIONS_2019), options.files)
    finally:
        shutil.rmtree(folder)
    _show(peaks)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "growth", "steps": [{"in_lake": n, **asdict(p)} for n, p in peaks]})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where 20 GB of files are put for the while")
    parser.add_argument("--files", type=int, default=FILES, help="how many files (11 are 100 million payments)")
    return parser.parse_args()


def _grow(folder: Path, source: Path, files: int) -> list[tuple[int, Peak]]:
    """What each step took, and how many payments the lake had after it."""
    lake, peaks, done = folder / "w", [], 0
    for number in range(1, files + 1):
        copies = range(done, done + (FIRST if number == 1 else EACH))
        done = copies.stop
        path = _made(source, folder / f"payments-{number}.csv", copies)
        peaks.append((done * YEAR, run_stage("collect", "collect", lake, path)))
        path.unlink()
        if number in CURATED_AFTER or number == files:
            peaks.append((done * YEAR, run_stage("curate", "curate", lake, path)))
    return peaks


def _made(source: Path, target: Path, copies: range) -> Path:
    """Make a file in another process: it must not count here."""
    command = [sys.executable, HERE / "card_year_copies.py", source, target, str(copies.start), str(copies.stop)]
    subprocess.run(command, check=True)
    print(f"{target.name}: {target.stat().st_size / GB:.2f} GB", flush=True)
    return target


def _show(peaks: list[tuple[int, Peak]]) -> None:
    header = ["step", "payments in the lake", "of this step", "peak RSS, GB", "wall, s", "payments a second", "load"]
    rows = [[p.step, there, p.rows, p.peak_bytes / GB, p.wall_s, p.rows / p.wall_s, p.load] for there, p in peaks]
    print_table("Collecting and curating as the lake grows", header, rows)


if __name__ == "__main__":
    main()
