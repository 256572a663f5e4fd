"""The CPU seconds of `counterfoil train` on the cards of 2019, and on the same with busy loops beside it.

Against the build of 860ca29 in the same run: each build collects, computes evidence and trains by its own command line.
CPU seconds count all threads, also those that spin while they wait; the database server's are not in.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import Took, run_python
from earlier_build import COMMIT, ROOT, checked_out
from measuring_data import TRANSACTIONS_2019, data_file
from report import arguments, print_machine, print_table, verdict, write_json

LEAST = 3.0
"""Times as few CPU seconds as the earlier build."""
MAPPING = "amazon-fraud-detector-transactions"
WINDOW = ("--since", "2019-01-01", "--until", "2019-09-23", "--known-until", "2019-10-01")


def main() -> None:
    """Prepare a workspace for each build, train in each, print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--busy", type=int, default=0, help="so many endless loops run beside it")
    options = parser.parse_args()
    data = data_file(TRANSACTIONS_2019)
    print_machine("start")
    with tempfile.TemporaryDirectory(prefix="cft-", dir="/tmp") as name, checked_out() as earlier:
        trees = {"now": ROOT, COMMIT: earlier}
        for build, tree in trees.items():
            _prepare(tree, Path(name) / build, data)
        with _busy(options.busy):
            took = {build: _train(tree, Path(name) / build) for build, tree in trees.items()}
    ratio = took[COMMIT].cpu / took["now"].cpu
    rows: list[list[object]] = [[build, lap.cpu, lap.wall] for build, lap in took.items()]
    rows.append([f"ratio (at least {LEAST:g}): {verdict(ratio >= LEAST)}", ratio, took[COMMIT].wall / took["now"].wall])
    print_table(f"train on the cards of 2019, {options.busy} busy loops beside it", ["", "CPU, s", "wall, s"], rows)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "train", "earlier": COMMIT, "busy": options.busy, "took": took})


def _prepare(tree: Path, workspace: Path, data: Path) -> None:
    _counterfoil(tree, "collect", str(data), "-m", MAPPING, "--workspace", str(workspace))
    _counterfoil(tree, "features", "-m", MAPPING, "--workspace", str(workspace))


def _train(tree: Path, workspace: Path) -> Took:
    return _counterfoil(tree, "train", "-m", MAPPING, *WINDOW, "--workspace", str(workspace))


def _counterfoil(tree: Path, *command: str) -> Took:
    paths = {"PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)])}
    return run_python("from counterfoil.cli import main; main()", *command, settings=paths)


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    """So many processes that do nothing, all the time."""
    running = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(loops)]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.terminate()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
