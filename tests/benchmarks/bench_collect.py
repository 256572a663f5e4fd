"""Collecting a file of payments, against DuckDB's plain copy of it to Parquet, which checks nothing."""

import argparse
import tempfile
from itertools import count
from pathlib import Path

import duckdb
from card_year import collect_year
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json
from timing import Laps, alternate

from counterfoil.workspace.wiring import open_workspace

MOST = 2.0
"""Times as long as the plain copy."""


def main() -> None:
    """Run both in turns and print the table."""
    options = _options()
    path = data_file(TRANSACTIONS_2019)
    print_machine("start")
    rows: set[int] = set()
    numbers = count()
    with tempfile.TemporaryDirectory(prefix="cfc-", dir="/tmp") as name:
        folder = Path(name)
        laps = alternate(
            {
                "counterfoil collect": lambda: rows.add(collect_into(folder / f"w{next(numbers)}", path)),
                "DuckDB COPY": lambda: plain_copy(path, folder / "x.parquet"),
            },
            options.repeat,
        )
    [kept] = rows
    _show(laps, kept)
    print_machine("\nend")
    figures = {name: found.as_dict() for name, found in laps.items()}
    write_json(options.json, {"benchmark": "collect", "most": MOST, "ratio": ratio(laps), "rows": kept, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each way")
    return parser.parse_args()


def collect_into(folder: Path, path: Path) -> int:
    """Collect into a new workspace: every repetition does all the work."""
    return collect_year(open_workspace(folder), path)


def plain_copy(path: Path, target: Path) -> None:
    """What DuckDB does with the file by default: types guessed, all columns, no cleaning."""
    with duckdb.connect() as database:
        database.execute(f"COPY (FROM read_csv('{path}')) TO '{target}'")


def ratio(laps: dict[str, Laps]) -> dict[str, float]:
    """Our time over the peer's."""
    ours, peer = laps["counterfoil collect"], laps["DuckDB COPY"]
    return {"wall": ours.wall / peer.wall, "cpu": ours.cpu / peer.cpu}


def _show(laps: dict[str, Laps], rows: int) -> None:
    found = ratio(laps)
    table = [[name, each.wall, each.cpu, rows / each.wall] for name, each in laps.items()]
    table.append([f"ratio (at most {MOST:g}): {verdict(found['wall'] <= MOST)}", found["wall"], found["cpu"], ""])
    repeat = len(laps["DuckDB COPY"].laps)
    print_table(f"Collect transactions_2019 (best of {repeat})", ["", "wall, s", "CPU, s", "rows/s"], table)


if __name__ == "__main__":
    main()
