"""Whole pipelines on small simulated payments: real containers, the real text encoder, workspaces of their own."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters import embedded_postgres
from counterfoil.domain.simulation import as_csv, simulate
from counterfoil.errors import PipelineError
from counterfoil.settings import PipelineSettings, Settings
from counterfoil.steps.releases import CHALLENGER, CHAMPION, find, promote
from counterfoil.wiring import KEY_BYTES, Workspace
from pipelines.catalogue import build
from pipelines.here import run_here
from pipelines.local.events import Event
from pipelines.local.jobs import Machine
from pipelines.local.record import LocalExecution
from pipelines.local.run import run_pipeline
from pipelines.preparation import prepare_start
from pipelines.session import offline_session

FAULTS = Path(__file__).parent / "faults"
RAW = "s3://counterfoil-local/raw"
START = date(2024, 1, 1)
SPANS = {"first": ((0, 25), (25, 50)), "second": ((50, 63),), "third": ((63, 70),)}
"""The folders of raw files, and from which day to which each file is."""

_MAPPING = {"Mapping": "counterfoil-simulated", "LabelDelayDays": "7"}
_GATE = {"MinAuc": "0.5", "MinLift": "1", "MinFrauds": "5", "Tolerance": "1"}


def day(number: int) -> str:
    """A day of the simulation as pipelines take it."""
    return str(START + timedelta(days=number))


FIRST_TRAINING = {
    "RawUri": f"{RAW}/first", **_MAPPING, **_GATE,
    "TrainUntil": day(32), "EvaluateFrom": day(40), "EvaluateUntil": day(49),
}  # fmt: skip
FIRST_DETECTION = {"RawUri": f"{RAW}/second", **_MAPPING}
SECOND_TRAINING = {
    "RawUri": f"{RAW}/second", **_MAPPING, **_GATE,
    "TrainUntil": day(45), "EvaluateFrom": day(53), "EvaluateUntil": day(62),
}  # fmt: skip
SECOND_DETECTION = {"RawUri": f"{RAW}/third", **_MAPPING}
WHOLE_DETECTION = {"RawUri": f"{RAW}/third", **_MAPPING, "Since": day(0), "Until": day(69)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of this folder: they share their workspaces."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("whole_pipelines"))


@dataclass
class Place:
    """A workspace with raw files. `events` are those of its last execution."""

    root: Path
    events: list[Event] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        """The workspace as a new process sees it."""
        return Workspace(Settings(workspace=self.root))

    @property
    def faults(self) -> Path:
        """The folder from which the steps' processes take faults."""
        return self.root / "faults"

    @classmethod
    def make(cls, key: bytes) -> "Place":
        """A workspace in a path that is short, as a socket's must be."""
        place = cls(Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp")))
        (place.root / "pseudonym.key").write_bytes(key)
        shutil.copytree(FAULTS, place.faults)
        for name, spans in SPANS.items():
            for number, (since, until) in enumerate(spans):
                path = place.root / "raw" / name / f"{number}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(as_csv(payments(since, until)))
        return place

    def remove(self) -> None:
        """Stop its database and remove its files."""
        embedded_postgres.stop(self.root / "postgres")
        shutil.rmtree(self.root)

    def run(self, name: str, parameters: Mapping[str, str], *, prepared: bool = False) -> LocalExecution:
        """Run a pipeline whose steps take faults; it may fail. `prepared`: the parameters are complete."""
        here = PipelineSettings()
        values = parameters if prepared else prepare_start(name, parameters, here, self.workspace, local=True)
        self.events = []
        return run_pipeline(
            lambda pipeline: build(pipeline, here, offline_session(here)), name, self.root, values,
            on_event=self.events.append, environment={"PYTHONPATH": str(self.faults)}, machine=Machine(),
        )  # fmt: skip

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
        found = pa.concat_tables([pq.ParquetFile(path).read() for path in files]).combine_chunks()
        keys = [(name, "ascending") for name in found.column_names if not pa.types.is_nested(found.schema.field(name).type)]
        return found.sort_by(keys).replace_schema_metadata()

    def promote_challenger(self, operator: str, reason: str) -> str:
        """Let the challenger be champion; return its id."""
        here = self.workspace
        release = find(here.registry, CHALLENGER).release_id
        promote(here.registry, here.decisions, release, CHAMPION, operator, reason)
        return release


def payments(since: int, until: int) -> pa.Table:
    """Simulated payments of the days from `since` to before `until`."""
    found = simulate(accounts=45, merchants=60, days=70, start=START, seed=4)
    paid = found["paid_at"]
    return found.filter(pc.and_(pc.greater_equal(paid, day(since)), pc.less(paid, day(until))))


@dataclass(frozen=True)
class Life:
    """What happened in an undisturbed workspace: executions in their order, and tables after the first detection."""

    place: Place
    releases: tuple[str, str]
    executions: Mapping[str, LocalExecution]
    tables: Mapping[str, pa.Table]

    def run_of(self, execution: str) -> str:
        """The run of scores of a detection."""
        found = self.executions[execution]
        [run] = json.loads((found.folder / "report" / "report" / "summary.json").read_text())["runs"]
        return str(run)


COMPARED = ("transactions", "rejected", "addresses", "source_ips", "source_ip_days", "scored_evidence", "scores")


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
    from counterfoil.steps.releases import rollback

    place = Place.make(key)
    executions = {"first training": run_here("training", FIRST_TRAINING, place.workspace)}
    first = place.promote_challenger("ada", "the first of all")
    executions["first detection"] = run_here("detection", FIRST_DETECTION, place.workspace)
    tables = {name: place.rows(name) for name in COMPARED if place.workspace.tables.runs(name)}
    executions["second training"] = run_here("training", SECOND_TRAINING, place.workspace)
    second = place.promote_challenger("bob", "it knows the frauds of February")
    executions["second detection"] = run_here("detection", SECOND_DETECTION, place.workspace)
    here = place.workspace
    rollback(here.registry, here.decisions, "ada", "too many alerts")
    executions["third detection"] = run_here("detection", WHOLE_DETECTION, place.workspace)
    yield Life(place, (first, second), executions, tables)
    place.remove()


@pytest.fixture(scope="session")
def copied(life: Life, key: bytes) -> Iterator[Place]:
    """Return a second workspace with the same raw files and key, and nothing else."""
    place = Place.make(key)
    yield place
    place.remove()
