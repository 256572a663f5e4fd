"""Quality: Counterfoil and its peers on the same evidence, rows and splits.

The protocols are in `quality_cases.py`, the peers in `quality_peers.py`. Intervals (95 %) and those of the differences
are drawn by account, for both sides of a pair the same.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from measuring_data import data_file
from quality_cases import NAMES, Case, cases_named
from quality_compare import Compared, compare
from quality_peers import PEERS, Peer
from quality_run import run_case
from quality_tables import case_tables, overview
from report import arguments, print_machine, write_json

from counterfoil.wiring import open_workspace


def main() -> None:
    """Run the cases that were asked for and print their tables."""
    options = _options()
    cases = cases_named(options.cases)
    files = {case: data_file(case.file) for case in cases}  # ends the program before anything is run
    print_machine("start")
    folder = Path(tempfile.mkdtemp(prefix="cfq-", dir="/tmp"))  # short, as a socket's path must be
    try:
        found = measure(files, [PEERS[name] for name in options.peers], folder)
    finally:
        shutil.rmtree(folder)
    tables = _say_overview(found)
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text("\n\n".join(tables) + "\n")
    write_json(options.json, {"benchmark": "quality", "cases": {c.run.case.name: c.as_dict() for c in found}})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(NAMES)}; the first four if none")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), help="all if none is named")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    options = parser.parse_args()
    for name in options.cases:
        if name not in NAMES:  # argparse's own choices would refuse an empty list
            parser.error(f"no case {name}: choose from {', '.join(NAMES)}")
    return options


def measure(files: dict[Case, Path], peers: list[Peer], folder: Path) -> list[Compared]:
    """Run the cases one after the other in a workspace in `folder`; print each one's tables when it is done."""
    workspace, found = open_workspace(folder), []
    for case, path in files.items():
        found.append(compare(run_case(case, path, workspace), peers))
        print("\n" + "\n\n".join(case_tables(found[-1])), flush=True)
    return found


def _say_overview(found: list[Compared]) -> list[str]:
    """All tables; those over several cases are printed."""
    over = [overview(found, metric) for metric in ("average_precision", "card_precision")] if len(found) > 1 else []
    for table in over:
        print(f"\n{table}")
    return [*(table for compared in found for table in case_tables(compared)), *over]


if __name__ == "__main__":
    main()
