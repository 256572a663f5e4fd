"""The report and the named questions over 10 million scored payments; beside pandas, and beside Evidently's report.

Needs a workspace that `make demo` filled, whose payments are written many times over into a lake of its own. Every
figure is of a process of its own, its imports included. Evidently lives in another environment: `--evidently PYTHON`.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from report import arguments, print_machine, print_table, verdict, write_json

HERE = Path(__file__).resolve().parent
ROWS, SMALL_ROWS = 10_000_000, 1_000_000
COLUMNS = 20
GB, MB = 1e9, 1e6
SECONDS, PEAK, SIZE = 60.0, 2 * GB, 1.5 * MB
OF_PANDAS, OF_EVIDENTLY, OF_ITS_SIZE = 1 / 5, 1 / 3, 1 / 5


@dataclass(frozen=True)
class Took:
    """What a process took: seconds from its start to its end, its peak of memory, and what it found."""

    wall_s: float
    peak_bytes: int
    found: dict[str, Any]


def main() -> None:
    """Measure, and print a table."""
    options = _options()
    if options.stage:
        print(json.dumps({**STAGES[options.stage](options), "peak": _peak()}, default=str))
        return
    print_machine("start")
    folder = Path(tempfile.mkdtemp(prefix="cfr-", dir=options.folder))
    try:
        figures = _measured(options, folder)
    finally:
        shutil.rmtree(folder)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "report", **{name: asdict(took) for name, took in figures.items()}})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(".counterfoil"), help="that of `make demo`")
    parser.add_argument("--rows", type=int, default=ROWS, help="scored payments, about")
    parser.add_argument("--small", type=int, default=SMALL_ROWS, help="the same beside Evidently")
    parser.add_argument("--evidently", type=Path, help="the Python of an environment that has Evidently")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where 10 GB of files are put for the while")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--lake", type=Path, help=argparse.SUPPRESS)
    options: argparse.Namespace = parser.parse_args()
    return options


def _measured(options: argparse.Namespace, folder: Path) -> dict[str, Took]:
    big, small = folder / "big", folder / "small"
    made = _run(options, "lake", big, options.rows)
    print(f"{made.found['scored']:,} scored payments", flush=True)
    figures = {name: _run(options, name, big) for name in ("report", "questions", "pandas")}
    _require_equal(figures["questions"].found["rows"], figures["pandas"].found["rows"])
    _show_big(made.found["scored"], figures)
    shutil.rmtree(big)
    if options.evidently is not None:
        made = _run(options, "lake", small, options.small)
        figures["report of fewer"] = _run(options, "report", small)
        figures["evidently"] = _evidently(options, small)
        _show_small(made.found["scored"], figures["report of fewer"], figures["evidently"])
    return figures


def _run(options: argparse.Namespace, stage: str, lake: Path, rows: int = 0) -> Took:
    command = [sys.executable, __file__, "--stage", stage, "--workspace", options.workspace, "--lake", lake]
    took = _took([*map(str, command), "--rows", str(rows)])
    print(f"{stage} ({lake.name}): {took.wall_s:.1f} s, peak {took.peak_bytes / GB:.2f} GB", flush=True)
    return took


def _took(command: list[str]) -> Took:
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall = time.perf_counter() - began
    found = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    return Took(wall, int(found.pop("peak", 0)), found)


def _evidently(options: argparse.Namespace, lake: Path) -> Took:
    rows, page = lake / "columns.parquet", lake / "evidently.html"
    _run(options, "columns", lake)
    took = _took([str(options.evidently), str(HERE / "evidently_report.py"), str(rows), str(page)])
    return Took(took.wall_s, took.peak_bytes, {"bytes": page.stat().st_size})


def _require_equal(ours: dict[str, int], theirs: dict[str, int]) -> None:
    """End the program where pandas found another number of rows: it would have done other work."""
    other = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    if other:
        sys.exit(f"pandas answers with other numbers of rows: {other}")


def _show_big(scored: int, figures: dict[str, Took]) -> None:
    report, ours, pandas = (figures[name] for name in ("report", "questions", "pandas"))
    size = report.found["bytes"]
    share = ours.found["seconds"] / pandas.found["seconds"]
    rows = [
        ["report: time, s", report.wall_s, SECONDS, verdict(report.wall_s <= SECONDS)],
        ["report: peak memory, GB", report.peak_bytes / GB, PEAK / GB, verdict(report.peak_bytes <= PEAK)],
        ["report: HTML, MB", size / MB, SIZE / MB, verdict(size <= SIZE)],
        ["all questions, s", ours.found["seconds"], "-", f"peak {ours.peak_bytes / GB:.1f} GB"],
        ["the same in pandas, s", pandas.found["seconds"], "-", f"peak {pandas.peak_bytes / GB:.1f} GB"],
        ["share of pandas' time", share, OF_PANDAS, verdict(share <= OF_PANDAS)],
    ]
    print_table(f"Over {scored:,} scored payments", ["what", "seen", "target", ""], rows)
    seconds = {name: found.found["each"] for name, found in (("ours", ours), ("pandas", pandas))}
    each = [[name, seconds["ours"][name], seconds["pandas"][name]] for name in sorted(seconds["ours"])]
    print_table("Each question, s", ["question", "ours", "pandas"], each)
    print_table("Each part of the report, s", ["part", "s"], sorted(report.found["parts"].items()))


def _show_small(scored: int, ours: Took, theirs: Took) -> None:
    time_share, size_share = ours.wall_s / theirs.wall_s, ours.found["bytes"] / theirs.found["bytes"]
    rows = [
        ["time, s", ours.wall_s, theirs.wall_s, time_share, OF_EVIDENTLY, verdict(time_share <= OF_EVIDENTLY)],
        ["HTML, MB", ours.found["bytes"] / MB, theirs.found["bytes"] / MB, size_share, OF_ITS_SIZE,
         verdict(size_share <= OF_ITS_SIZE)],
    ]  # fmt: skip
    title = f"{scored:,} scored payments: our whole report, and Evidently's of the drift of {COLUMNS} of their columns"
    print_table(title, ["what", "ours", "Evidently", "share", "target", ""], rows)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _place(options: argparse.Namespace) -> Any:
    """The demo's workspace, with the large lake in the place of its own."""
    from counterfoil.adapters.folder.tables import FolderTables
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace(options.workspace)
    place.__dict__["tables"] = FolderTables(options.lake)
    return place


def _asked(options: argparse.Namespace) -> Any:
    from counterfoil.insights.queries import QueryParameters

    first, end = (date.fromisoformat(day) for day in (options.lake / "span").read_text().split())
    return QueryParameters(first, end, known_until=datetime(2200, 1, 1, tzinfo=UTC), top=15)


def _lake(options: argparse.Namespace) -> dict[str, Any]:
    import pyarrow.parquet as pq
    from many_payments import make_lake

    from counterfoil.workspace.wiring import open_workspace

    demo = open_workspace(options.workspace).tables
    copies = round(options.rows / sum(pq.read_metadata(path).num_rows for path in demo.files("scores")))
    lake, first, end = make_lake(demo, options.lake, max(1, copies))
    (options.lake / "span").write_text(f"{first} {end}")
    return {"scored": sum(pq.read_metadata(path).num_rows for path in lake.files("scores"))}


def _report(options: argparse.Namespace) -> dict[str, Any]:
    from counterfoil.insights import report

    parts: dict[str, float] = {}

    def timed(build: Callable[..., Any]) -> Callable[..., Any]:
        def timed_build(source: Any) -> Any:
            began = time.perf_counter()
            section = build(source)
            parts[section.anchor] = time.perf_counter() - began
            return section

        return timed_build

    report._SECTIONS = tuple(timed(build) for build in report._SECTIONS)
    path = report.write_report(_place(options), _asked(options), datetime.now(UTC), options.lake / "report.html")
    return {"bytes": path.stat().st_size, "parts": parts}


def _questions(options: argparse.Namespace) -> dict[str, Any]:
    from counterfoil.insights.defaults import with_defaults
    from counterfoil.insights.queries import ask, queries

    place, asked = _place(options), _asked(options)
    given = {name: with_defaults(place, found, asked) for name, found in queries().items()}
    return _each({name: partial(_rows_of, partial(ask, place.tables, name, given[name])) for name in given})


def _pandas(options: argparse.Namespace) -> dict[str, Any]:
    import pandas as pd
    from pandas_questions import QUESTIONS, Lake

    from counterfoil.insights.defaults import with_defaults
    from counterfoil.insights.queries import query

    place = _place(options)
    asked = with_defaults(place, query("alert_volume"), _asked(options))
    names = ("transactions", "scores", "source_ips", "rejected")
    lake = Lake(
        {name: place.tables.files(name) for name in names}, asked.since, asked.until, str(asked.release),
        float(asked.review or 0), asked.alerts_per_day, asked.top, pd.Timestamp(asked.known_until), asked.label_delay,
    )  # fmt: skip
    return _each({name: partial(_rows_of, partial(found, lake)) for name, found in QUESTIONS.items()})


def _rows_of(question: Callable[[], Any]) -> int:
    return len(question())


def _each(questions: dict[str, Callable[[], int]]) -> dict[str, Any]:
    """Ask one after another; the seconds and the number of rows of each."""
    each, rows = {}, {}
    for name, question in questions.items():
        began = time.perf_counter()
        rows[name] = question()
        each[name] = time.perf_counter() - began
    return {"seconds": sum(each.values()), "each": each, "rows": rows}


def _columns(options: argparse.Namespace) -> dict[str, Any]:
    """Write the first numeric columns of the scored evidence for Evidently, in the order of time."""
    import duckdb

    from counterfoil.insights.queries import newest_release
    from counterfoil.steps.lake.engine import parquet_source
    from counterfoil.steps.releases.registration import load_release

    place = _place(options)
    release = load_release(place.registry, str(newest_release(place.tables)))
    names = ", ".join(f'"{name}"' for name in release.encoder.schema.numeric[:COLUMNS])
    source = parquet_source(place.tables.files("scored_evidence"))
    target = options.lake / "columns.parquet"
    duckdb.sql(f"COPY (SELECT {names} FROM {source} ORDER BY event_time) TO '{target}' (FORMAT parquet)")
    return {}


STAGES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "lake": _lake, "report": _report, "questions": _questions, "pandas": _pandas, "columns": _columns,
}  # fmt: skip

if __name__ == "__main__":
    main()
