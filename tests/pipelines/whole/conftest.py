"""Whole pipelines on small simulated payments: the real containers, definitions and stores; only the text encoder is
the quick one of tests/conftest.py, and training grows few trees, because the real ones would triple the time."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.key import KEY_BYTES
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.domain.tables import PUBLISHED_TABLES
from counterfoil.simulation import as_csv, simulate, spoil
from counterfoil.steps.releases.releases import CHALLENGER, CHAMPION, find, promote, rollback
from counterfoil.workspace.settings import PipelineSettings, Settings
from counterfoil.workspace.wiring import Workspace
from pipelines.catalogue import build
from pipelines.local import jobs as local_jobs
from pipelines.local.events import Event
from pipelines.local.objects import StoredObject
from pipelines.local.record import SUCCEEDED, LocalExecution
from pipelines.local.run import run_pipeline
from pipelines.preparation import prepare_start
from pipelines.telemetry import offline_session

FAULTS = Path(__file__).parent / "faults"
ZYGOTE_SOCKET = "zygote.socket"
QUICK_EMBEDDER = Path(__file__).parents[2] / "faults" / "quick_embedder.py"
RAW = "s3://counterfoil-local/raw"
START = date(2024, 1, 1)
SPANS = {"first": ((0, 25), (25, 50)), "second": ((50, 63),), "third": ((63, 70),)}
"""The folders of raw files, and from which day to which each file is."""

_MAPPING = {"Mapping": "counterfoil-simulated", "LabelDelayDays": "7"}
_GATE = {"MinAuc": "0.5", "MinLift": "1", "MinFrauds": "5", "Tolerance": "1"}


def day(number: int) -> str:
    """A day of the simulation as pipelines take it."""
    return str(START + timedelta(days=number))


GIVEN: Mapping[str, Mapping[str, str]] = {
    "first training": {
        "RawUri": f"{RAW}/first", **_MAPPING, **_GATE,
        "TrainUntil": day(32), "EvaluateFrom": day(40), "EvaluateUntil": day(49),
    },
    "first detection": {"RawUri": f"{RAW}/second", **_MAPPING},
    "second training": {
        "RawUri": f"{RAW}/second", **_MAPPING, **_GATE,
        "TrainUntil": day(45), "EvaluateFrom": day(53), "EvaluateUntil": day(62),
    },
    "second detection": {"RawUri": f"{RAW}/third", **_MAPPING},
    "whole detection": {"RawUri": f"{RAW}/third", **_MAPPING, "Since": day(0), "Until": day(69)},
}  # fmt: skip


@dataclass
class Place:
    """A workspace with raw files. `events` are those of its last execution.

    So is what was `carried`: by step and input channel, the objects' sizes by their names.
    """

    root: Path
    events: list[Event] = field(default_factory=list)
    carried: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    zygote: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, key: bytes) -> "Place":
        """A workspace in a path that is short, as a socket's must be, with a zygote that does its steps.

        Each workspace has its own zygote: texts have other hashes in each, as in processes of their own.
        """
        place = cls(Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp")))
        (place.root / "pseudonym.key").write_bytes(key)
        shutil.copytree(FAULTS, place.faults, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(QUICK_EMBEDDER, place.faults)
        place.write_raw()
        place.start_zygote()
        return place

    def start_zygote(self) -> None:
        """Start what does the steps, and wait until it has imported everything."""
        command = [sys.executable, str(self.faults / "step_zygote.py"), str(self.faults)]
        paths = [str(QUICK_EMBEDDER.parent), os.environ.get("PYTHONPATH", "")]
        self.zygote = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))})
        deadline = time.monotonic() + 120
        while not (self.faults / ZYGOTE_SOCKET).exists():
            assert self.zygote.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def write_raw(self) -> None:
        """Write the raw files; each folder's first has a few dirty rows."""
        for name, spans in SPANS.items():
            for number, (since, until) in enumerate(spans):
                path = self.root / "raw" / name / f"{number}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                found = payments(since, until)
                path.write_bytes(as_csv(found) if number else spoil(found, np.random.default_rng(since)))

    @property
    def workspace(self) -> Workspace:
        """The workspace as a new process sees it."""
        return Workspace(Settings(workspace=self.root))

    @property
    def faults(self) -> Path:
        """The folder from which the steps' processes take faults."""
        return self.root / "faults"

    def remove(self) -> None:
        """End its zygote, stop its database and remove its files."""
        if self.zygote is not None:
            self.zygote.kill()
            self.zygote.wait()
        embedded_postgres.stop(self.root / "postgres")
        shutil.rmtree(self.root)

    def run(self, pipeline: str, parameters: Mapping[str, str], *, prepared: bool = False) -> LocalExecution:
        """Run a pipeline whose steps take faults; it may fail. `prepared`: no parameter is left to be found."""
        here = PipelineSettings()
        values = parameters if prepared else prepare_start(pipeline, parameters, here, self.workspace, local=True)
        self.events, self.carried = [], {}
        with self._carrying():
            return run_pipeline(
                lambda name: build(name, here, offline_session(here)), pipeline, self.root, values,
                on_event=self.events.append, environment={"PYTHONPATH": str(self.faults)},
            )  # fmt: skip

    @contextmanager
    def _carrying(self) -> Iterator[None]:
        """Write down what jobs are carried, by the folders that it comes to: jobs/<execution>/<step>/.../input/..."""
        copy_in = local_jobs.copy_in

        def copied(objects: Sequence[StoredObject], folder: Path) -> None:
            step, *_ = folder.relative_to(self.root / "jobs").parts[1:]
            channel = folder.as_posix().rpartition("/processing/input/")[2]
            self.carried[step, channel] = {one.name: one.path.stat().st_size for one in objects}
            copy_in(objects, folder)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local_jobs, "copy_in", copied)
            yield

    @contextmanager
    def fault(self, step: str, **plan: Any) -> Iterator[None]:
        """Let a step meet what is planned; see faults/sitecustomize.py."""
        path = self.faults / "plan.json"
        path.write_text(json.dumps({"step": step, **plan}))
        yield
        path.unlink()

    def rows(self, table: str, run: str | None = None) -> pa.Table:
        """A table of the lake in canonical order, or one run of it."""
        files = self.workspace.tables.files(table, run)
        found = pa.concat_tables(
            [pq.ParquetFile(path).read() for path in files], promote_options="default"
        ).combine_chunks()
        flat = [column.name for column in found.schema if not pa.types.is_nested(column.type)]
        return found.sort_by([(name, "ascending") for name in flat]).replace_schema_metadata()

    def tables(self) -> dict[str, pa.Table]:
        """All tables of the lake, in canonical order."""
        lake = self.workspace.tables
        return {name: self.rows(name) for name in PUBLISHED_TABLES if lake.files(name)}

    def state(self) -> dict[str, Any]:
        """What others see of the workspace: runs by table, files that are done, releases with aliases, decisions."""
        here = self.workspace
        return {
            **{table: sorted(here.tables.runs(table)) for table in PUBLISHED_TABLES},
            "files": sorted(entry.file.location for entry in here.ledger.entries() if entry.state == "done"),
            "releases": {release.release_id: sorted(release.aliases) for release in here.registry.releases()},
            "decisions": len(here.decisions.entries()),
        }

    def promote_challenger(self, operator: str, reason: str) -> str:
        """Let the challenger be champion; return its id."""
        here = self.workspace
        release = find(here.registry, CHALLENGER).release_id
        promote(here.registry, here.decisions, release, CHAMPION, operator, reason)
        return release


@cache
def simulated() -> pa.Table:
    """The payments of all days."""
    return simulate(accounts=45, merchants=60, days=70, start=START, seed=4)


def payments(since: int, until: int) -> pa.Table:
    """Simulated payments of the days from `since` to before `until`."""
    found = simulated()
    paid = found["paid_at"]
    return found.filter(pc.and_(pc.greater_equal(paid, day(since)), pc.less(paid, day(until))))


@dataclass(frozen=True)
class Life:
    """What happened in an undisturbed workspace.

    `executions` are in their order, and what was `carried` in each; `tables` are as the first detection left them;
    `refused` is the workspace's state after a training that failed at its gate.
    """

    place: Place
    releases: tuple[str, str]
    executions: Mapping[str, LocalExecution]
    carried: Mapping[str, Mapping[tuple[str, str], Mapping[str, int]]]
    tables: Mapping[str, pa.Table]
    refused: Mapping[str, Any]

    def run_of(self, execution: str) -> str:
        """The run of scores of a detection."""
        [run] = read_output(self.executions[execution], "report", "report", "summary.json")["runs"]
        return str(run)


def read_output(execution: LocalExecution, step: str, channel: str, name: str) -> Any:
    """A JSON file that a step of the execution, or of the one it was taken from, wrote."""
    taken = execution.step(step).cached_from or execution.execution_id
    return json.loads((execution.folder.parent / taken / step / channel / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def given() -> Mapping[str, Mapping[str, str]]:
    """Return the parameters of the executions, by their names."""
    return GIVEN


@pytest.fixture(scope="session")
def output() -> Callable[..., Any]:
    """Return the reader of what a step wrote."""
    return read_output


@pytest.fixture(scope="session")
def key() -> bytes:
    """Return the pseudonym key that workspaces share, so that their tables can be compared."""
    return bytes(range(KEY_BYTES))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let each step use one thread: tests share the machine's processors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def life(key: bytes) -> Iterator[Life]:
    """Return a workspace with two releases: both trained, promoted and used; then the second was rolled back."""

    place, done, carried = Place.make(key), {}, {}

    def run(name: str, like: str | None = None, **changes: str) -> None:
        done[name] = place.run(name.split()[-1], {**GIVEN[like or name], **changes})
        carried[name] = place.carried

    run("refused training", like="first training", MinAuc="1")
    refused = place.state()
    run("first training")
    run("repeated training", like="first training")
    first = place.promote_challenger("ada", "the first of all")
    run("first detection")
    tables = place.tables()
    run("second training")
    second = place.promote_challenger("bob", "it knows the frauds of February")
    run("second detection")
    here = place.workspace
    rollback(here.registry, here.decisions, "ada", "too many alerts")
    run("whole detection")
    yield Life(place, (first, second), done, carried, tables, refused)
    place.remove()


@pytest.fixture(scope="session")
def copied(key: bytes) -> Iterator[Place]:
    """Return a second workspace with the same raw files and key, and nothing else."""
    place = Place.make(key)
    yield place
    place.remove()


@pytest.fixture(scope="session")
def champion(copied: Place) -> str:
    """Return the release that the second workspace trains, now its champion."""
    assert copied.run("training", GIVEN["first training"]).status == SUCCEEDED
    return copied.promote_challenger("ada", "the first of all")


@pytest.fixture
def alone(key: bytes) -> Iterator[Place]:
    """Return a workspace that no other test has."""
    place = Place.make(key)
    yield place
    place.remove()


@pytest.fixture(scope="session")
def other(key: bytes) -> Iterator[Place]:
    """Return a third workspace, for what goes wrong before anything is trained."""
    place = Place.make(key)
    yield place
    place.remove()
