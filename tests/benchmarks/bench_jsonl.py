"""JSON Lines of a million payments: our reader beside DuckDB's `read_json` and pandas' `read_json`.

Each reads in a process of its own, on one thread: the rate is by CPU time and by the clock, the peak is of the process.
DuckDB and pandas give numbers that were floats (12.50 becomes 12.5); ours keeps the text of each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import arguments, print_machine, print_table, verdict, write_json

LEAST = 0.5
"""Times as many rows a CPU second as DuckDB."""

_CODE = {
    "duckdb": """
import duckdb
duckdb.sql("SET threads = 1")

def read(path):
    return len(duckdb.read_json(path, format="newline_delimited").to_arrow_table())
""",
    "pandas": """
import pandas as pd

def read(path):
    return len(pd.read_json(path, lines=True, dtype=False, convert_dates=False))
""",
    "counterfoil": """
from pathlib import Path
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.domain.intake.mapping import parse_mapping

MAPPING = '''
[file]
format = "jsonl"
[fields]
transaction_id = "id"
event_time = "at"
amount = "amount"
currency = "currency"
account = "account"
merchant = "shop.name"
category = "shop.category"
source_ip = "client.ip"
label = "fraud"
[labels]
fraud = ["1"]
good = ["0"]
'''

def read(path):
    return sum(batch.records for batch in InputFiles().batches(Path(path), parse_mapping(MAPPING, "x")))
""",
}
_MEASURED = """
import json, resource, sys, time
wall, cpu = time.perf_counter(), time.process_time()
rows = read(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"rows": rows, "wall_s": wall, "cpu_s": cpu, "peak_bytes": peak}))
"""
_ROW = (
    '{{"id": "p{0}", "at": "2026-01-02T09:{1:02d}:{2:02d}Z", "amount": {0}.50, "currency": "EUR", "account": "a{3}", '
    '"shop": {{"name": "Shop {4}", "category": "food"}}, "client": {{"ip": "192.0.2.{2}", "agent": "Opera/9.0"}}, '
    '"fraud": 0}}\n'
)


def main() -> None:
    """Write the file, read it in turns, print the table."""
    options = _options()
    print_machine("start")
    with tempfile.TemporaryDirectory(prefix="json-") as name:
        path = Path(name) / "payments.json"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(_ROW.format(row, row % 60, row % 59, row % 9_973, row % 997) for row in range(options.rows))
        laps: dict[str, list[dict[str, Any]]] = {way: [] for way in _CODE}
        for _ in range(options.repeat):
            for way, code in _CODE.items():
                laps[way].append(_measured(code, path))
    best = {way: min(found, key=lambda lap: lap["cpu_s"]) for way, found in laps.items()}
    assert {lap["rows"] for lap in best.values()} == {options.rows}
    table = [
        [way, lap["rows"] / lap["wall_s"], lap["rows"] / lap["cpu_s"], lap["peak_bytes"] / 1e6]
        for way, lap in best.items()
    ]
    print_table("JSON Lines", ["", "rows a second", "a CPU second", "peak, MB"], table)
    by_way = {row[0]: row[2] for row in table}
    for peer in ("duckdb", "pandas"):
        ratio = by_way["counterfoil"] / by_way[peer]
        held = f" (at least {LEAST:g}): {verdict(ratio >= LEAST)}" if peer == "duckdb" else ""
        print(f"times as fast as {peer}, by CPU time: {ratio:.2f}{held}")
    print_machine("\nend")
    write_json(options.json, {"benchmark": "jsonl", "laps": laps})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments in the file")
    parser.add_argument("--repeat", type=int, default=3, help="laps of each")
    return parser.parse_args()


def _measured(code: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", code + _MEASURED, str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
