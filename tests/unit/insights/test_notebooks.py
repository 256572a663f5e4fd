"""Notebooks as they are committed, and the runner that believes none that did not end."""

from pathlib import Path

import nbformat
import pytest

from counterfoil.errors import UsageError
from counterfoil.insights.run_notebooks import NotebookError, require_complete, run_notebook

FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEveryNotebook:
    def test_is_committed_without_outputs(self, path: Path) -> None:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in cells)

    def test_says_what_it_shows_on_how_much_data_and_what_to_try_next(self, path: Path) -> None:
        texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
        assert "**Shows**" in texts[0]
        assert "**On how much data**" in texts[0]
        assert texts[-1].startswith("## What to try next")

    def test_has_parameters_and_calls_what_others_define(self, path: Path) -> None:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert cells[0].metadata["tags"] == ["parameters"]
        assert not any(line.startswith(("def ", "class ")) for cell in cells for line in cell.source.splitlines())


def test_there_are_five() -> None:
    assert len(NOTEBOOKS) == 5


def _written(path: Path, count: int | None, printed: str) -> Path:
    cell = nbformat.v4.new_code_cell("1", execution_count=count)
    cell.outputs = [nbformat.v4.new_output("stream", text=printed)]
    book = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(book, path)
    return path


def test_a_cell_that_never_ran_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="code cell 1 never ran"):
        require_complete(_written(tmp_path / "x.ipynb", None, "end of x"))


def test_a_notebook_without_its_marker_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="did not print 'end of x'"):
        require_complete(_written(tmp_path / "x.ipynb", 1, "something"))
    require_complete(_written(tmp_path / "x.ipynb", 1, "end of x\n"))


class TestWhatPapermillTakesForSuccess:
    """Each of these passes papermill 2.7, or leaves cells marked as completed that never ran."""

    def _book(self, folder: Path, *cells: str) -> Path:
        made = [nbformat.v4.new_code_cell('workspace = ""', metadata={"tags": ["parameters"]})]
        made += [nbformat.v4.new_code_cell(cell) for cell in (*cells, 'print("end of x")')]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        book = nbformat.v4.new_notebook(cells=made, metadata=kernel)
        nbformat.write(book, folder / "x.ipynb")
        return folder / "x.ipynb"

    @pytest.mark.slow
    def test_a_kernel_that_dies(self, tmp_path: Path) -> None:
        path = self._book(tmp_path, "import os\nos._exit(1)")
        with pytest.raises(NotebookError, match=r"x\.ipynb"):
            run_notebook(path, tmp_path / "out" / "x.ipynb", {})

    @pytest.mark.slow
    def test_an_exit_that_says_all_is_well(self, tmp_path: Path) -> None:
        path = self._book(tmp_path, "import sys\nsys.exit(0)")
        with pytest.raises(NotebookError, match=r"code cell \d never ran"):
            run_notebook(path, tmp_path / "out" / "x.ipynb", {})

    @pytest.mark.slow
    def test_a_cell_over_its_time(self, tmp_path: Path) -> None:
        path = self._book(tmp_path, "import time\ntime.sleep(60)")
        with pytest.raises(NotebookError, match=r"x\.ipynb"):
            run_notebook(path, tmp_path / "out" / "x.ipynb", {}, cell_seconds=1)

    @pytest.mark.slow
    def test_a_parameter_goes_in_quoted(self, tmp_path: Path) -> None:
        path = self._book(tmp_path, "assert workspace == '007'")
        run_notebook(path, tmp_path / "out" / "x.ipynb", {"workspace": "007"})
        with pytest.raises(UsageError, match="takes no parameter 'nothing'; it has: workspace"):
            run_notebook(path, tmp_path / "out" / "x.ipynb", {"nothing": 1})
