"""Detection's growth: over shards, each a process pinned to one core, and over payments with one of them.

The step `detect` of the pipeline runs in the local session as it is, in a pipeline of its own; its evidence is a
workspace's, repeated under new ids (so a sentence is encoded once, however many rows have it). What starting and
loading take is measured by the same step on one payment a shard; the rest is the step's own work.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from card_year import newest_release, trained_workspace
from measuring_data import TRANSACTIONS_2019, data_file
from pipeline_cases import simulated
from repeated_evidence import ROWS_PER_FILE, write_repeated
from report import arguments, print_machine, print_table, write_json
from resident import peaks_of

from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings
from counterfoil.workspace.wiring import Workspace, open_workspace
from pipelines.builders import DETECT
from pipelines.jobs import Input, Site
from pipelines.local.jobs import Machine
from pipelines.local.run import run_pipeline
from pipelines.telemetry import offline_session

GB = 1e9
EXPECTED = 8000.0
"""Rows a second and core: for the estimate of how long it takes."""
STARTING = 25.0
"""Seconds of a step that starts and loads."""


@dataclass(frozen=True)
class Detected:
    """A run of the step: how many rows, on how many shards, and what it took. Rates are rows a second."""

    rows: int
    shards: int
    start_s: float
    step_s: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Without what starting and loading take."""
        return self.rows / (self.step_s - self.start_s)

    @property
    def whole_rate(self) -> float:
        """With it."""
        return self.rows / self.step_s


def main() -> None:
    """Train unless it is done, measure, print two tables."""
    options = _options()
    print(f"this takes about {_minutes(options):.0f} minutes, training apart", flush=True)
    folder = options.workspace or Path(tempfile.mkdtemp(prefix="cfs-", dir="/tmp"))
    try:
        bench = ShardBench(_trained(folder, options.small), _rows_per_file(options))
        print_machine("start")
        over_shards = [bench.run(options.rows, shards) for shards in options.shards]
        if over_shards:
            _show_shards(over_shards)
        over_rows = [bench.run(rows, 1) for rows in options.sizes]
        if over_rows:
            _show_rows(over_rows)
    finally:
        embedded_postgres.stop(folder / "postgres")
        if options.workspace is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_machine("\nend")
    figures = {"shards": [_figures(d) for d in over_shards], "rows": [_figures(d) for d in over_rows]}
    write_json(options.json, {"benchmark": "shards", "small": options.small, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--workspace", type=Path, help="folder with a short path; one with a release is used as it is")
    parser.add_argument("--small", action="store_true", help="a trial on repeated simulated payments")
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, help="rows that the shards share [default: 2^20; small: 64,000]")
    parser.add_argument("--sizes", type=int, nargs="*", help="rows for one shard [default: 1, 3 and 10 times 2^20]")
    options = parser.parse_args()
    options.rows = options.rows or (64_000 if options.small else 2**20)
    if options.sizes is None:
        options.sizes = [options.rows, 3 * options.rows, (5 if options.small else 10) * options.rows]
    return options


def _rows_per_file(options: argparse.Namespace) -> int:
    """Small evidence is cut into files enough for all shards, too."""
    return min(ROWS_PER_FILE, max(1, int(options.rows) // 8))


def _minutes(options: argparse.Namespace) -> float:
    """An estimate: shards on a core each."""
    cores = len(os.sched_getaffinity(0))
    scoring: float = sum(options.rows / min(shards, cores) for shards in options.shards) + sum(options.sizes)
    starting = STARTING * (2 * len(options.shards) + len(options.sizes) + 1)
    return (scoring / EXPECTED + starting) / 60


def _trained(folder: Path, small: bool) -> Workspace:
    """The workspace with a release: of the card year, or for a trial of simulated payments."""
    if not small:
        return trained_workspace(folder, data_file(TRANSACTIONS_2019))
    workspace = open_workspace(folder)
    if not workspace.registry.releases():
        from commands import counterfoil

        folder.mkdir(exist_ok=True)
        steps = simulated(folder).training_steps()
        for line in (*steps["collect"], *steps["features"], *steps["train"]):
            counterfoil(folder, *line)
    return workspace


class ShardBench:
    """A workspace with a release, and evidence that is made for each measurement and removed after it."""

    def __init__(self, workspace: Workspace, rows_per_file: int) -> None:
        self._workspace = workspace
        self._per_file = rows_per_file
        self._release = newest_release(workspace).release_id
        self._starts: dict[int, float] = {}

    def run(self, rows: int, shards: int) -> Detected:
        """Detect at least `rows` rows (whole files)."""
        start = self._start(shards)
        with self._evidence(-(-rows // self._per_file), self._per_file) as (uri, written):
            found = self._detect(uri, written, shards, start)
        print(f"{found.rows:,} rows, {shards} shards: {found.step_s:.1f} s, of it start {start:.1f} s", flush=True)
        return found

    def _start(self, shards: int) -> float:
        """Seconds of the step on one payment a shard; measured once."""
        if shards not in self._starts:
            with self._evidence(shards, 1) as (uri, written):
                self._starts[shards] = self._detect(uri, written, shards, 0.0).step_s
        return self._starts[shards]

    @contextmanager
    def _evidence(self, files: int, rows_per_file: int) -> Iterator[tuple[str, int]]:
        folder = self._workspace.root / "bench" / "evidence"
        shutil.rmtree(folder, ignore_errors=True)
        rows = write_repeated(self._workspace.tables.files("evidence"), folder / "repeated", files, rows_per_file)
        try:
            yield f"s3://{LOCAL_BUCKET}/bench/evidence", rows
        finally:
            shutil.rmtree(folder)

    def _detect(self, uri: str, rows: int, shards: int, start: float) -> Detected:
        machine = Machine(pin=True, use_cache=False)
        with _on_one_core(shards == 1), peaks_of("detect") as peaks:
            ended = run_pipeline(
                lambda name: self._pipeline(name, uri, shards), "shards", self._workspace.root, {}, machine=machine
            )
        if ended.failure:
            sys.exit("\n".join([ended.failure, *ended.log_tail]))
        scored = _rows_of(ended.folder / "detect" / "scores")
        shutil.rmtree(ended.folder)
        if scored != rows:
            sys.exit(f"{scored:,} of {rows:,} payments were scored")
        return Detected(rows, shards, start, ended.step("detect").seconds, max(peaks.values(), default=0))

    def _pipeline(self, name: str, uri: str, shards: int) -> Any:
        """The step as the pipeline detection has it, on evidence that is there already."""
        from sagemaker.mlops.workflow.pipeline import Pipeline

        settings = PipelineSettings(bucket=LOCAL_BUCKET, environment={})
        session = offline_session(settings)
        site = Site(settings, session, {"GpuInstanceType": settings.gpu_instance_type})
        source = Input("evidence", uri, sharded=True)
        step = site.step(DETECT, [source], {"--release": self._release}, instances=shards)
        return Pipeline(name=name, parameters=[], steps=[step], sagemaker_session=session)


@contextmanager
def _on_one_core(wanted: bool) -> Iterator[None]:
    """Keep one shard on one core, as the session does with several: it pins no step that is alone."""
    cores, threads = os.sched_getaffinity(0), os.environ.get("OMP_NUM_THREADS")
    if wanted:
        os.sched_setaffinity(0, {min(cores)})
        os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        if wanted:
            os.environ.pop("OMP_NUM_THREADS")
            os.environ.update({"OMP_NUM_THREADS": threads} if threads else {})


def _rows_of(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


def _show_shards(found: Sequence[Detected]) -> None:
    cores = len(os.sched_getaffinity(0))
    rows = [
        [d.shards, d.rows, d.step_s, d.start_s, d.rate, d.rate / found[0].rate, d.whole_rate, d.peak_bytes / GB]
        for d in found
    ]
    header = [
        "shards",
        "rows",
        "step, s",
        "of it start and load, s",
        "rows/s without",
        "times the first",
        "rows/s with",
    ]
    print_table("Detect over shards, each pinned to one core", [*header, "peak RSS of a shard, GB"], rows)
    if max(d.shards for d in found) > cores:
        print(f"\nThis machine has {cores} cores: more shards than that share them.")


def _show_rows(found: Sequence[Detected]) -> None:
    rows = [[d.rows, d.step_s, d.start_s, d.rate, d.whole_rate, d.peak_bytes / GB] for d in found]
    header = ["rows", "step, s", "of it start and load, s", "rows/s without", "rows/s with", "peak RSS, GB"]
    print_table("Detect over rows, one process pinned to one core", header, rows)


def _figures(found: Detected) -> dict[str, Any]:
    return {**asdict(found), "rate": found.rate, "whole_rate": found.whole_rate}


if __name__ == "__main__":
    main()
