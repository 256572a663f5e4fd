"""Peak memory of each step on ten times the card year (3,018,290 payments), a process a step.

This process stays small on purpose: Linux lets a new program inherit its starter's peak.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json

HERE = Path(__file__).resolve().parent
GB = 1e9
LIMITS = {"collect": 1.0, "collect plain": 1.0, "features": 2.0, "train": 6.0, "detect": 2.0}
"""The most that a step may take, in GB."""


@dataclass(frozen=True)
class Peak:
    """What one step took. `server_bytes` is the most that the embedded PostgreSQL held, shared pages once."""

    step: str
    rows: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    server_bytes: int
    load: float


def main() -> None:
    """Make the file, run the steps, print the table."""
    options = _options()
    print_machine("start")
    folder = Path(tempfile.mkdtemp(prefix="cfm-", dir=options.folder))
    try:
        peaks = _measure(folder, data_file(TRANSACTIONS_2019), options.steps)
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    _show(peaks)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "memory", "limits_gb": LIMITS, "steps": [asdict(p) for p in peaks]})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where 3 GB of files are put for the while")
    parser.add_argument("--steps", nargs="*", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--keep", action="store_true", help="leave the folder when done")
    return parser.parse_args()


def _measure(folder: Path, source: Path, steps: list[str]) -> list[Peak]:
    lake, scratch = folder / "w", folder / "p"
    packed = _made(source, folder / "transactions.csv.gz")
    peaks = []
    for step in steps:
        if step == "collect plain":
            plain = _made(source, folder / "transactions.csv")
            peaks.append(run_stage(step, "collect", scratch, plain))
            shutil.rmtree(scratch)
            plain.unlink()
        else:
            peaks.append(run_stage(step, step, lake, packed))
    return peaks


def _made(source: Path, target: Path) -> Path:
    """Make the file of ten years in another process: it must not count here."""
    start = time.perf_counter()
    subprocess.run([sys.executable, HERE / "card_year_copies.py", source, target], check=True)
    print(f"{target.name}: {target.stat().st_size / GB:.2f} GB in {time.perf_counter() - start:.0f} s", flush=True)
    return target


def run_stage(name: str, stage: str, workspace: Path, path: Path) -> Peak:
    """Run a stage, looking at the server's memory meanwhile."""
    command = [sys.executable, HERE / "memory_stage.py", stage, workspace, path]
    server = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            server = max(server, _server_bytes(workspace))
            time.sleep(0.2)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(f"{name} ended with status {process.returncode}")
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    peak = Peak(name, server_bytes=server, load=os.getloadavg()[0], **figures)
    print(f"{name}: {peak.peak_bytes / GB:.2f} GB, {peak.wall_s:.0f} s", flush=True)
    return peak


def _server_bytes(workspace: Path) -> int:
    """Memory of the workspace's PostgreSQL and its children, each shared page counted once."""
    listing = workspace / "postgres" / "postmaster.pid"
    try:
        first = psutil.Process(int(listing.read_text().split()[0]))
        return sum(each.memory_full_info().pss for each in [first, *first.children(recursive=True)])
    except (OSError, ValueError, IndexError, psutil.Error):
        return 0


def _show(peaks: list[Peak]) -> None:
    header = ["step", "rows", "peak RSS, GB", "limit, GB", "", "PostgreSQL, GB", "wall, s", "CPU, s", "load"]
    rows = [
        [
            p.step, p.rows, p.peak_bytes / GB, LIMITS[p.step], verdict(p.peak_bytes / GB < LIMITS[p.step]),
            p.server_bytes / GB, p.wall_s, p.cpu_s, p.load,
        ]
        for p in peaks
    ]  # fmt: skip
    print_table("Peak memory on ten times transactions_2019", header, rows)


if __name__ == "__main__":
    main()
