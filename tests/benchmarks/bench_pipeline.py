"""The pipelines in the local session: against their steps run by the command line one after another, and again.

Both ways run on the same payments, each in a new workspace with the same key. Each step by command line is its own
`counterfoil` process; the pipeline is one (`counterfoil pipeline run`), with a process for each step. What has no
command of its own (gate, register, publish, report) counts for the pipeline only. Nothing is trained twice for one
figure: after the run come the same pipeline again, from the step cache, and the pipeline that scores new payments.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commands import Took, counterfoil, warm_up
from pipeline_cases import Case, card_year, simulated
from report import arguments, print_machine, print_table, verdict, write_json

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.workspace.wiring import open_workspace
from pipelines.local.record import LocalExecution, StepRecord, read_executions

MOST = 1.3
"""Times as long as the steps by command line: training's target. Detection of few payments is nearly all starting."""
MOST_CACHED = 10.0
"""Seconds of a rerun that finds its steps in the cache."""
KEY = {"COUNTERFOIL_PSEUDONYM_KEY": "a key for measuring, no secret"}


@dataclass(frozen=True)
class Ran:
    """A pipeline's process, and what its record says of the steps."""

    took: Took
    execution: LocalExecution

    @property
    def around(self) -> float:
        """Seconds that no step had: starting, importing the SDK, building the definition, ending."""
        return self.took.wall - sum(step.seconds for step in self.execution.steps)

    @property
    def cached(self) -> list[str]:
        """The steps that were taken from the cache."""
        return [step.name for step in self.execution.steps if step.cached_from]


def main() -> None:
    """Run both ways, print the tables."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="cfp-", dir="/tmp"))
    try:
        case = simulated(folder) if options.small else card_year(folder)
        warm_up()
        print_machine("start")
        figures = _measure(case, folder, options.reruns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_machine("\nend")
    limits = {"most": MOST, "most_cached_s": MOST_CACHED}
    write_json(options.json, {"benchmark": "pipeline", "case": case.name, **limits, **figures})


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--small", action="store_true", help="a trial on a few simulated payments")
    parser.add_argument("--reruns", type=int, default=3, help="cached reruns of each pipeline")
    return parser.parse_args()


def _measure(case: Case, folder: Path, reruns: int) -> dict[str, Any]:
    by_hand, piped = folder / "c", folder / "p"
    figures = {}
    plan: list[tuple[str, list[str], Mapping[str, Sequence[Sequence[str]]]]] = [
        ("training", case.training(), case.training_steps()),
        ("detection", case.detection(), case.detection_steps()),
    ]
    for name, parameters, steps in plan:
        commands = {step: [_command(by_hand, line) for line in lines] for step, lines in steps.items()}
        ran = _pipeline(piped, name, parameters)
        again = [_pipeline(piped, name, parameters) for _ in range(reruns)]
        if name == "training":
            _require_same_release(by_hand, piped)
        _show(f"Pipeline {name} on {case.name}", commands, ran, MOST if name == "training" else None)
        _show_again(f"The same again: {name}", again)
        figures[name] = _figures(commands, ran, again)
    return figures


def _command(workspace: Path, line: Sequence[str]) -> Took:
    runs = FolderTables(workspace / "lake").runs("scores")
    return counterfoil(workspace, *(runs[-1] if part == "{run}" else part for part in line), settings=KEY)


def _pipeline(workspace: Path, name: str, parameters: Sequence[str]) -> Ran:
    took = counterfoil(workspace, "pipeline", "run", name, *parameters, settings=KEY)
    return Ran(took, read_executions(workspace / "executions", name)[0])


def _require_same_release(*workspaces: Path) -> None:
    """End the program unless both ways trained the same release: else they did not do the same work."""
    found = {open_workspace(workspace).registry.releases()[0].release_id for workspace in workspaces}
    if len(found) != 1:
        raise SystemExit(f"the two ways trained different releases: {', '.join(sorted(found))}")
    print(f"\nboth ways trained release {found.pop()}")


def _total(commands: Mapping[str, Sequence[Took]], figure: Callable[[Took], float]) -> float:
    return sum(figure(took) for lines in commands.values() for took in lines)


def _show(title: str, commands: Mapping[str, Sequence[Took]], ran: Ran, most: float | None) -> None:
    rows: list[list[object]] = [
        [step.name, sum(took.wall for took in commands.get(step.name, ())) or "", step.seconds]
        for step in ran.execution.steps
        if _is_shown(step, commands)
    ]
    rows.append(["around the steps: CLI, SDK, definition", "", ran.around])
    wall, cpu = _total(commands, lambda t: t.wall), _total(commands, lambda t: t.cpu)
    rows.append(["all, wall", wall, ran.took.wall])
    rows.append(["all, CPU", cpu, ran.took.cpu])
    ratio = ran.took.wall / wall
    target = "" if most is None else f" (at most {most:g}): {verdict(ratio <= most)}"
    rows.append([f"pipeline over its steps by CLI{target}", "", ratio])
    print_table(title, ["step", "by CLI, s", "in the pipeline, s"], rows)


def _is_shown(step: StepRecord, commands: Mapping[str, Sequence[Took]]) -> bool:
    """Conditions and what they decided against take no time."""
    return step.name in commands or step.seconds >= 0.05


def _show_again(title: str, again: Sequence[Ran]) -> None:
    rows: list[list[object]] = []
    for number, ran in enumerate(again, 1):
        run = [f"{step.name} {step.seconds:.1f} s" for step in ran.execution.steps if _is_run(step)]
        rows.append([number, ran.took.wall, ran.took.cpu, ", ".join(ran.cached), ", ".join(run), ran.around])
    worst = max(ran.took.wall for ran in again)
    rows.append([f"the slowest (under {MOST_CACHED:g} s): {verdict(worst < MOST_CACHED)}", worst, "", "", "", ""])
    print_table(title, ["run", "wall, s", "CPU, s", "from the cache", "run again", "around the steps, s"], rows)


def _is_run(step: StepRecord) -> bool:
    return step.type == "Processing" and step.seconds > 0 and not step.cached_from


def _figures(commands: Mapping[str, Sequence[Took]], ran: Ran, again: Sequence[Ran]) -> dict[str, Any]:
    return {
        "ratio": ran.took.wall / _total(commands, lambda t: t.wall),
        "by_cli": {step: [asdict(took) for took in lines] for step, lines in commands.items()},
        "pipeline": asdict(ran.took),
        "pipeline_steps_s": {step.name: step.seconds for step in ran.execution.steps},
        "again": [{**asdict(each.took), "cached": each.cached} for each in again],
    }


if __name__ == "__main__":
    main()
