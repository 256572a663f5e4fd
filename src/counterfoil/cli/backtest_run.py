"""The backtest command: collect into a scratch lake, train, score, evaluate, show and write the figures."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.folder.whole_files import write_whole
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.cli.show import runs, terminal
from counterfoil.domain.periods import Period
from counterfoil.ports.stores import Stores
from counterfoil.steps.backtest import Backtest, Windows, backtest, windows_by_fraction
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.scores import write_parquet
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.lake.forgotten import Traces, forgotten_accounts, keep_traces
from counterfoil.workspace.wiring import Workspace


@dataclass(frozen=True)
class BacktestRequest:
    """What the command was asked for; `fraction` or the two periods say where training ends."""

    files: Sequence[Path]
    mapping: str
    label_delay: timedelta
    exclude_compromised: bool
    fraction: float | None
    training: Period
    test: Period
    scores: Path | None
    figures: Path | None


def run_backtest(workspace: Workspace, request: BacktestRequest) -> Backtest:
    """Run a backtest; its release stays in the workspace, its tables do not."""
    mapping = load_mapping(request.mapping)
    with _scratch(workspace) as tables, terminal.progress("backtest") as progress:
        for account in forgotten_accounts(workspace.tables):  # its release stays, and must not bring them back
            keep_traces(tables, Traces(account, frozenset()))
        progress.begin("collecting")
        collected = collect(
            request.files, mapping, key=workspace.pseudonym_key, reader=workspace.reader, tables=tables,
            ledger=MemoryLedger(), progress=progress,
        )  # fmt: skip
        progress.begin("building features")
        build_features(tables, mapping, label_delay=request.label_delay)
        windows = (
            Windows(request.training, request.test)
            if request.fraction is None
            else windows_by_fraction(tables, request.fraction)
        )
        result = backtest(
            Stores(tables, workspace.references, workspace.registry, workspace.embedder), mapping, windows,
            label_delay=request.label_delay, exclude_compromised=request.exclude_compromised,
            compute=workspace.compute, progress=progress,
        )  # fmt: skip
    runs.show_collected(collected)
    runs.show_release(result.release)
    runs.show_evaluation(result.evaluated.evaluation, "test window")
    _write(result, request)
    return result


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[FolderTables]:
    workspace.root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="backtest-", dir=workspace.root))
    try:
        yield FolderTables(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(result: Backtest, request: BacktestRequest) -> None:
    if request.scores:
        terminal.out.print(f"scores: {write_parquet(result.evaluated.scores, request.scores)}")
    if request.figures:
        write_whole(request.figures, json.dumps(figures(result), indent=1) + "\n")
        terminal.out.print(f"figures: {request.figures}")


def figures(result: Backtest) -> dict[str, Any]:
    """The figures of a backtest as plain data for JSON."""
    release, windows = result.release, result.windows
    return {
        "release_id": release.release_id,
        "mapping": release.mapping,
        "label_delay_days": release.label_delay_days,
        "windows": {
            name: [None if moment is None else moment.isoformat() for moment in (period.since, period.until)]
            for name, period in (("training", windows.training), ("test", windows.test))
        },
        "training_rows": release.training_rows,
        "training_frauds": release.training_frauds,
        "references": {"frauds": release.reference_frauds, "good": release.reference_rows - release.reference_frauds},
        "chosen": {**asdict(release.encoder.mixture), "neighbours": release.neighbours},
        "thresholds": asdict(release.thresholds),
        "validation": release.validation,
        "ablation": release.ablation,
        "left_out": release.left_out,
        "notes": list(release.notes),
        "excluded_as_compromised": result.evaluated.left_out,
        "test": result.evaluated.evaluation.as_dict(),
    }
