"""Quality: Counterfoil and its peers on the same evidence, rows and splits.

The protocols are in `quality_cases.py`, the peers in `quality_peers.py`. Intervals (95 %) and those of the differences
are drawn by account, for both sides of a pair the same; for cases of one group also those of the mean difference.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from measuring_data import data_file
from quality_cases import NAMES, Case, cases_named
from quality_compare import DRAWS, Compared, compare
from quality_mean_lead import mean_leads
from quality_peers import PEERS, Peer
from quality_run import run_case
from quality_tables import case_tables, mean_lead_table, of_one_group, overview
from report import arguments, print_machine, write_json

from counterfoil.domain.evaluation.paired import Difference
from counterfoil.workspace.wiring import open_workspace


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
    comparable = len(found) > 1 and of_one_group(found)
    leads = mean_leads([each.window for each in found], draws=DRAWS) if comparable else {}
    over = _overviews(found, leads)
    for table in over:
        print(f"\n{table}")
    print_machine("\nend")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text("\n\n".join([*(t for each in found for t in case_tables(each)), *over]) + "\n")
    figures = {each.run.case.name: each.as_dict() for each in found}
    mean = {name: asdict(lead) for name, lead in leads.items()}
    write_json(options.json, {"benchmark": "quality", "cases": figures, "mean_leads": mean})


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


def _overviews(found: list[Compared], leads: Mapping[str, Difference]) -> list[str]:
    """The tables over several cases."""
    if len(found) == 1:
        return []
    tables = [overview(found, metric) for metric in ("average_precision", "card_precision")]
    return [*tables, *([mean_lead_table(leads)] if leads else [])]


if __name__ == "__main__":
    main()
