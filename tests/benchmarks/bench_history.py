"""What of a lake of a year travels to the steps of a detection that scores one new day, and what it costs.

Two ways, in turns, over the same lake in the local session: `chosen` is the pipeline as it is, where collect chooses
what `features` and `detect` are to have; `whole` carries them all tables of the lake, as it was before. `detect` is not
run (it needs a release): what it is carried is read from the list that SageMaker would be given. Evidence must be the
same to the bit.
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from report import arguments, print_machine, print_table, write_json

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.postgres import embedded
from counterfoil.domain.tables import EVIDENCE, LABELS_TABLE, TRANSACTIONS
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.options import FeaturesOptions
from counterfoil.workspace.settings import PipelineSettings, Settings
from counterfoil.workspace.wiring import Workspace
from pipelines import builders
from pipelines.catalogue import LAKE_TABLES
from pipelines.jobs import Site, output_of
from pipelines.local import jobs as local_jobs
from pipelines.local.events import Event
from pipelines.local.jobs import Machine
from pipelines.local.objects import StoredObject
from pipelines.local.run import run_pipeline
from pipelines.telemetry import offline_session

MAPPING = "counterfoil-simulated"
START = date(2025, 1, 1)
LAKE_CHANNELS = ("lake/transactions", "lake/labels", "history")
_SOURCE = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
"""The steps' processes are of the same checkout as this one."""
_CPU = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@dataclass
class Ran:
    """What one execution's step `features` was carried (sizes by channel), took, and came to."""

    carried: dict[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0
    folder: Path = Path()


def main() -> None:
    """Run both ways, print the table."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="cfh-", dir="/tmp"))
    try:
        rows = _fill(folder, options.accounts, options.days)
        print_machine("start")
        ran: dict[str, list[Ran]] = {"whole": [], "chosen": []}
        for number in range(options.rounds):
            for way, done in ran.items():
                done.append(_run(folder, way, number))
        _require_same_evidence(ran)
        figures = _show(rows, ran, _for_detect(folder, ran))
    finally:
        embedded.stop(folder / "postgres")  # of the ledger
        shutil.rmtree(folder, ignore_errors=True)
    print_machine("\nend")
    write_json(options.json, {"benchmark": "history", "payments": rows, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--accounts", type=int, default=400, help="each pays about twice a day")
    parser.add_argument("--days", type=int, default=365, help="days that are in the lake")
    parser.add_argument("--rounds", type=int, default=3, help="executions of each way")
    return parser.parse_args()


def _fill(folder: Path, accounts: int, days: int) -> int:
    """Publish all days but the last, a file for each 30 of them; put the last day's raw file beside; count them all."""
    payments = simulate(accounts=accounts, merchants=300, days=days + 1, start=START, seed=1)
    place = Workspace(Settings(workspace=folder))
    edges = [*range(0, days, 30), days, days + 1]
    paths = []
    for since, until in pairwise(edges):
        paid = payments["paid_at"]
        first, end = (str(START + timedelta(days=day)) for day in (since, until))
        name = folder / ("new" if since == days else "old") / f"{since:04d}.csv"
        name.parent.mkdir(exist_ok=True)
        name.write_bytes(as_csv(payments.filter(pc.and_(pc.greater_equal(paid, first), pc.less(paid, end)))))
        paths.append(name)
    mapping, key = load_mapping(MAPPING), place.pseudonym_key
    collect(paths[:-1], mapping, key=key, reader=place.reader, tables=place.tables, ledger=place.ledger)
    for table in LAKE_TABLES:
        place.tables.prepare(table)
    return payments.num_rows


def _run(folder: Path, way: str, number: int) -> Ran:
    ran = Ran()
    begun: list[float] = []

    def on_event(event: Event) -> None:
        if event.step == "features" and event.kind == "started":
            begun.append(_cpu_seconds())
        if event.step == "features" and event.kind == "finished":
            ran.cpu, ran.seconds = _cpu_seconds() - begun[0], event.seconds

    values = {"RawUri": str(folder / "new"), "InputVersion": f"{way} {number}", "Mapping": MAPPING}
    with _watching(ran):
        execution = run_pipeline(
            _pipeline(way), "detection", folder, {**values, "LabelDelayDays": "7"},
            on_event=on_event, machine=Machine(use_cache=False), environment=_SOURCE,
        )  # fmt: skip
    if execution.status != "Succeeded":
        raise SystemExit(f"{way}: {execution.reason}")
    ran.folder = execution.folder
    return ran


def _cpu_seconds() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _CPU))


@contextmanager
def _watching(ran: Ran) -> Iterator[None]:
    """Write down what the step `features` is carried."""
    copy_in = local_jobs.copy_in

    def copied(objects: Sequence[StoredObject], folder: Path) -> None:
        if "features" in folder.parts:
            channel = folder.as_posix().rpartition("/processing/input/")[2]
            ran.carried[channel] = [one.path.stat().st_size for one in objects]
        copy_in(objects, folder)

    local_jobs.copy_in = copied  # type: ignore[assignment]
    try:
        yield
    finally:
        local_jobs.copy_in = copy_in


def _pipeline(way: str) -> Callable[[str], Any]:
    """The first two steps of detection."""

    def build(name: str) -> Any:
        from sagemaker.core.workflow.parameters import ParameterString
        from sagemaker.mlops.workflow.pipeline import Pipeline

        settings = PipelineSettings()
        session = offline_session(settings)
        names = ("RawUri", "InputVersion", "Mapping", "LabelDelayDays")
        values = {one: ParameterString(name=one) for one in names}
        site = Site(settings, session, {**values, "InstanceType": "ml.m5.xlarge"})
        new = {"scope": "new", "since": "-", "until": "-"}
        collected = builders.collect(site, **new)
        featured = builders.features(site, collected, **new) if way == "chosen" else _with_all(site, collected, new)
        return Pipeline(
            name=name, parameters=list(values.values()), steps=[collected, featured], sagemaker_session=session
        )

    return build


def _with_all(site: Site, collected: Any, new: dict[str, str]) -> Any:
    """The step `features` as it was: it is carried the lake's tables whole."""
    tables = (TRANSACTIONS, LABELS_TABLE)
    inputs = [one for table in tables for one in (site.lake(table), output_of(collected, table))]
    return site.step(builders.FEATURES, inputs, site.arguments(FeaturesOptions, **new))


def _require_same_evidence(ran: dict[str, list[Ran]]) -> None:
    """End the program unless all executions came to the same evidence."""
    found = [pq.read_table(one.folder / "features" / EVIDENCE) for done in ran.values() for one in done]
    if not found[0].num_rows or any(not one.equals(found[0]) for one in found):
        raise SystemExit("the two ways came to different evidence")
    print(f"\nthe same evidence of {found[0].num_rows:,} new payments both ways")


def _for_detect(folder: Path, ran: dict[str, list[Ran]]) -> dict[str, list[int]]:
    """The sizes of the objects of `lake/transactions` that detect is carried."""
    keys = json.loads(
        (ran["chosen"][0].folder / "collect" / "history" / "detect" / TRANSACTIONS / "keys.json").read_text()
    )
    return {
        "whole": ran["whole"][0].carried["lake/transactions"],
        "chosen": [(folder / "lake" / TRANSACTIONS / name).stat().st_size for name in keys[1:]],
    }


def _show(payments: int, ran: dict[str, list[Ran]], detect: dict[str, list[int]]) -> dict[str, Any]:
    rows, figures = [], {}
    for way, done in ran.items():
        sizes = [size for channel in LAKE_CHANNELS for size in done[0].carried.get(channel, [])]
        cpu, wall = min(one.cpu for one in done), min(one.seconds for one in done)
        rows.append([way, len(sizes), sum(sizes) / 1e6, len(detect[way]), sum(detect[way]) / 1e6, cpu, wall])
        figures[way] = {
            "features_objects": len(sizes), "features_bytes": sum(sizes), "detect_objects": len(detect[way]),
            "detect_bytes": sum(detect[way]), "features_cpu_s": cpu, "features_s": wall,
        }  # fmt: skip
    header = ["way", "objects to features", "MB", "objects to detect", "MB", "CPU of features, s", "wall, s"]
    print_table(f"Carried of a lake for one new day; {payments:,} payments in all; least of {len(done)}", header, rows)
    return figures


if __name__ == "__main__":
    main()
