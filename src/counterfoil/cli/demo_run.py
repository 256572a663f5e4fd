"""The demo: both pipelines, run here from raw files to scored payments, with what a person would look at."""

import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.cli.show import releases as console_releases
from counterfoil.cli.show import runs, terminal
from counterfoil.cli.show.pipeline_tree import show_steps
from counterfoil.cores import cores
from counterfoil.domain.tables import SCORE_TABLE, TRANSACTIONS
from counterfoil.errors import InputFileError, PipelineError
from counterfoil.insights.defaults import scored_days
from counterfoil.insights.queries import QueryParameters
from counterfoil.insights.report import write_report
from counterfoil.simulation import as_csv, simulate, spoil
from counterfoil.steps.insights.evaluate_run import evaluate_run
from counterfoil.steps.insights.riskiest import riskiest
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import CHALLENGER, CHAMPION, find, promote
from counterfoil.workspace.wiring import Workspace
from pipelines.here import output, run_here
from pipelines.local.events import Event
from pipelines.local.processes import end, tied

SIMULATED = "counterfoil-simulated"
FIRST_DAY = date(2026, 1, 1)
DAYS = 100
SEED = 7
_JUDGED_FROM, _SCORED_FROM = 0.65, 0.85
"""Shares of the time at which judging and scoring begin; training ends one label delay before it is judged."""


@dataclass(frozen=True)
class Plan:
    """What the pipelines are run on. Days are UTC; `scored` is None where all payments of the second files are new."""

    mapping: str
    history: str
    payments: str
    judged_from: date
    judged_until: date
    scored_from: date | None
    label_delay: timedelta

    def training(self) -> dict[str, str]:
        """The parameters of the pipeline training."""
        return {
            "RawUri": self.history,
            "Mapping": self.mapping,
            "LabelDelayDays": f"{self.label_delay / timedelta(days=1):g}",
            "TrainUntil": str(self.judged_from - self.label_delay - timedelta(days=1)),
            "EvaluateFrom": str(self.judged_from),
            "EvaluateUntil": str(self.judged_until),
        }

    def detection(self) -> dict[str, str]:
        """The parameters of the pipeline detection."""
        since = {} if self.scored_from is None else {"Since": str(self.scored_from)}
        delay = f"{self.label_delay / timedelta(days=1):g}"
        return {"RawUri": self.payments, "Mapping": self.mapping, "LabelDelayDays": delay, **since}


def run_demo(workspace: Workspace, data: Path | None, mapping_name: str | None, label_delay: timedelta) -> None:
    """Run training, promote what it registered, run detection, and show what came of it.

    Simulated payments if there is no `data`. A second run finds its steps in the cache and comes to the same.
    """
    plan = (
        _simulated(workspace, label_delay)
        if data is None
        else _own_file(workspace, data, mapping_name or SIMULATED, label_delay)
    )
    terminal.out.rule("pipeline training")
    with compiling(), ThreadPoolExecutor(1) as beside:
        train(plan, workspace, lambda: beside.submit(_import_what_follows, workspace))
    terminal.out.rule("release")
    challenger = find(workspace.registry, CHALLENGER if _has(workspace, CHALLENGER) else CHAMPION).release_id
    runs.show_release(load_release(workspace.registry, challenger))
    reason = "the demo trusts its gate"
    change = promote(workspace.registry, workspace.decisions, challenger, CHAMPION, "demo", reason)
    console_releases.show_change(change, f"is {change.state}")
    terminal.out.rule("pipeline detection")
    with show_steps("detection") as on_event:
        execution = run_here("detection", plan.detection(), workspace, on_event=on_event)
    [run] = output(execution, workspace, "report", "report", "summary.json")["runs"]
    terminal.out.rule("what was scored")
    evaluated = evaluate_run(workspace.tables, run, label_delay=label_delay)
    runs.show_evaluation(evaluated.evaluation, f"scores of run {run}, against the labels that came in")
    terminal.out.rule("the riskiest payments and their precedents")
    runs.show_cases(riskiest(workspace.tables, workspace.references_for_scoring, run))
    _show_files(workspace, run)
    terminal.out.print(f"report        {_report(workspace, run)} (open it in a browser)", soft_wrap=True)


@contextmanager
def compiling() -> Iterator[None]:
    """Compile all loops on the core that the first steps leave idle: on a new machine they would wait for it."""
    if cores() < 2:
        yield
        return
    arguments = tied([sys.executable, "-m", "counterfoil.processing.warm_up"])
    nothing = subprocess.DEVNULL
    with subprocess.Popen(arguments, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True) as process:
        try:
            yield
        finally:
            end(process)


def _import_what_follows(workspace: Workspace) -> None:
    """Import what the release and the report are read and drawn with, which takes as long as a step."""
    workspace.registry.releases()
    for name in ("matplotlib.figure", "scipy.stats"):
        import_module(name)


def train(plan: Plan, workspace: Workspace, meanwhile: Callable[[], object]) -> None:
    """Run the pipeline training; call `meanwhile` once, when the longest step begins and this process only waits.

    Where its gate refuses the candidate, the error says how to go on.
    """
    try:
        with show_steps("training") as on_event:

            def heard(event: Event) -> None:
                if (event.kind, event.step) == ("started", "train"):
                    meanwhile()
                on_event(event)

            run_here("training", plan.training(), workspace, on_event=heard)
    except PipelineError as error:
        if not str(error).startswith("step 'fail' failed"):
            raise
        given = " ".join(f"-p {name}={shlex.quote(value)}" for name, value in plan.training().items())
        where = f"-w {shlex.quote(str(workspace.root))}"
        raise PipelineError(
            f"{error}\nnothing was scored: more days of labelled payments may help. To use it all the same:\n"
            f"  counterfoil pipeline run training {given} -p MinAuc=0.5 -p MinLift=1 {where}\n"
            f"  counterfoil release promote challenger --to champion --operator YOU --reason 'to try it' {where}"
        ) from None


def _report(workspace: Workspace, run: str) -> Path:
    """Write the insight report of the days that a run scored; return its path."""
    since, until = scored_days(workspace, run)
    asked = QueryParameters(since, until, top=15)
    return write_report(workspace, asked, datetime.now(UTC))


def write_simulation(path: Path, accounts: int, merchants: int, days: int, start: date, seed: int, dirty: bool) -> int:
    """Write simulated payments as CSV, in place when the file is whole; return the number of payments."""
    table = simulate(accounts=accounts, merchants=merchants, days=days, start=start, seed=seed)
    _write(path, spoil(table, np.random.default_rng(seed)) if dirty else as_csv(table))
    return int(table.num_rows)


def _simulated(workspace: Workspace, label_delay: timedelta) -> Plan:
    """Simulate a history with labels and a few dirty rows, and the payments of the days after it."""
    terminal.out.rule("simulate")
    payments = simulate(accounts=300, merchants=250, days=DAYS, start=FIRST_DAY, seed=SEED)
    judged_from, scored_from = (FIRST_DAY + timedelta(days=round(DAYS * s)) for s in (_JUDGED_FROM, _SCORED_FROM))
    newer = pc.greater_equal(payments["paid_at"], str(scored_from))
    history, new = payments.filter(pc.invert(newer)), payments.filter(newer)
    folder = workspace.root / "raw"
    _write(folder / "history" / "payments.csv", spoil(history, np.random.default_rng(SEED)))
    _write(folder / "new" / "payments.csv", as_csv(new))
    terminal.out.print(
        f"{history.num_rows:,} payments of 300 accounts before {scored_from}, and a few dirty rows; "
        f"{new.num_rows:,} from then on"
    )
    return Plan(
        SIMULATED, str(folder / "history"), str(folder / "new"),
        judged_from, scored_from - timedelta(days=1), None, label_delay,
    )  # fmt: skip


def _own_file(workspace: Workspace, data: Path, mapping: str, label_delay: timedelta) -> Plan:
    """Collect the file to see which days it has, and cut them into training, judging and scoring."""
    terminal.out.rule("collect")
    with terminal.progress("collecting") as progress:
        collected = collect(
            [data], load_mapping(mapping), key=workspace.pseudonym_key, reader=workspace.reader,
            tables=workspace.tables, ledger=workspace.ledger, progress=progress,
        )  # fmt: skip
    runs.show_collected(collected)
    days = _payments_by_day(workspace.tables.files(TRANSACTIONS))
    judged_from, scored_from = cut_days(days, label_delay)
    where = str(data.resolve())
    return Plan(mapping, where, where, judged_from, scored_from - timedelta(days=1), scored_from, label_delay)


def _payments_by_day(files: Sequence[Path]) -> dict[date, int]:
    """How many payments there are on each day that has any, in the order of time."""
    if not files:
        return {}
    query = f"SELECT event_time::DATE AS day, count(*) FROM {parquet_source(files)} GROUP BY day ORDER BY day"
    with engine() as database:
        return dict(database.execute(query).fetchall())


def cut_days(payments: Mapping[date, int], label_delay: timedelta) -> tuple[date, date]:
    """The days on which judging and scoring begin, with about 65 % and 85 % of the `payments` before them.

    Training, judging and scoring have a day with payments each, and the first day's labels are known when judging
    begins. Raises InputFileError where no days are like that.
    """
    days = sorted(payments)
    wait = math.ceil(label_delay / timedelta(days=1))
    late_enough = [day for day in days[1:-1] if (day - days[0]).days > wait]
    if not late_enough:
        has = (
            f"{len(days)} days with payments, from {days[0]} to {days[-1]}" if days else "no payment that was accepted"
        )
        raise InputFileError(
            f"the demo needs payments of {wait + 3} days: one to train on, {wait} until its labels can be trusted "
            f"(--label-delay-days), one to judge the release by, and one to score; there are {has}"
        )
    before = dict(zip(days, accumulate(payments[day] for day in days), strict=True))
    whole = before[days[-1]]

    def nearest(share: float, among: Sequence[date]) -> date:
        return min(among, key=lambda day: abs((before[day] - payments[day]) / whole - share))

    judged_from = nearest(_JUDGED_FROM, late_enough)
    return judged_from, nearest(_SCORED_FROM, [day for day in days if day > judged_from])


def _has(workspace: Workspace, alias: str) -> bool:
    return any(alias in release.aliases for release in workspace.registry.releases())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent.parent / f".{path.name}.{os.getpid()}"
    aside.write_bytes(content)
    aside.replace(path)


def _show_files(workspace: Workspace, run: str) -> None:
    lake = workspace.root / "lake"
    terminal.out.rule("where the files are")
    terminal.out.print(f"transactions  {lake / 'transactions'}")
    terminal.out.print(f"rejected      {lake / 'rejected'}")
    terminal.out.print(f"source IPs    {lake / 'source_ips'}, {lake / 'source_ip_days'}")
    terminal.out.print(f"scores        {workspace.tables.files(SCORE_TABLE, run)[0]}", soft_wrap=True)
    terminal.out.print(f"executions    {workspace.root / 'executions'} (each step's outputs and log)")
    terminal.out.print(f"releases      {workspace.root / 'mlflow'}")
    terminal.out.print(f"references    {workspace.root / 'postgres'} (PostgreSQL with pgvector)")
