"""Detection's step `insights`: a notebook on the published lake, believed only if it ran to its end."""

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.processing import insights
from counterfoil.processing.detector import app
from counterfoil.processing.job import DONE, main

Lake = Callable[..., FolderTables]


@pytest.fixture
def root(tmp_path: Path, make_lake: Lake, payments: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for /opt/ml, beside a workspace with scores."""
    make_lake(tmp_path / "workspace" / "lake", payments)
    return _job(tmp_path, monkeypatch)


def _job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(folder / "ml"))
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(folder / "workspace"))
    config = folder / "ml" / "config"
    config.mkdir(parents=True)
    outputs = {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "insights"}]}}
    (config / "processingjobconfig.json").write_text(json.dumps(outputs))
    return folder / "ml"


def _written(root: Path) -> set[str]:
    return {path.name for path in (root / "processing" / "output" / "insights").iterdir()}


def _message(root: Path) -> str:
    return (root / "output" / "message").read_text()


def _notebook(folder: Path, cell: str, *, end: str = "end of own") -> Path:
    """Write a notebook that is found before ours."""
    cells = [nbformat.v4.new_code_cell('workspace = ""\nout = ""', metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in (cell, f"print({end!r})")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "own.ipynb")
    return folder


@pytest.mark.slow
def test_a_notebook_is_given_the_workspace_and_kept_with_its_outputs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "from pathlib import Path\nPath(out).write_text(str((Path(workspace) / 'lake' / 'scores').is_dir()))"
    monkeypatch.setattr(insights, "FOLDERS", (_notebook(tmp_path / "own", cell),))
    assert main(app, ["insights", "--notebook", "own"]) == 0
    assert _written(root) == {"own.ipynb", insights.REPORT, DONE}
    folder = root / "processing" / "output" / "insights"
    assert (folder / insights.REPORT).read_text() == "True"
    cells = nbformat.read(folder / "own.ipynb", as_version=4).cells
    assert all(cell.execution_count for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "end"),
    [
        ("raise ValueError('Ada Lovelace')", "end of own"),
        ("import sys\nsys.exit(0)", "end of own"),
        ("import os\nos._exit(0)", "end of own"),
        ("1", "end of another"),
        ("import time\ntime.sleep(600)", "end of own"),
    ],
    ids=["fails", "exits as if all were well", "loses its kernel", "is truncated", "hangs"],
)
def test_a_notebook_that_did_not_run_to_its_end_fails_the_step(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, end: str
) -> None:
    monkeypatch.setattr(insights, "FOLDERS", (_notebook(tmp_path / "own", cell, end=end),))
    monkeypatch.setattr(insights, "CELL_SECONDS", 5)
    assert main(app, ["insights", "--notebook", "own"]) == 1
    assert _message(root) == "notebook own did not run to its end: see the log"
    assert DONE not in _written(root)


def test_an_unknown_notebook_is_told_with_those_that_are_there(root: Path) -> None:
    assert main(app, ["insights", "--notebook", "04_report"]) == 1
    assert "no notebook '04_report'; there are: 01_explore_transactions, " in _message(root)


def test_without_a_notebook_or_without_scores_nothing_runs(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(app, ["insights", "--notebook", "-"]) == 0
    assert _written(root) == {DONE}
    empty = _job(tmp_path_factory.mktemp("empty"), monkeypatch)
    assert main(app, ["insights", "--notebook", "04_insight_report"]) == 0
    assert _written(empty) == {DONE}
