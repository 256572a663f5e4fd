"""The step that writes the insight report: a notebook, which papermill runs to its end."""

import sys
from importlib.util import find_spec
from pathlib import Path

from counterfoil.adapters.report.notebooks import CELL_SECONDS, NotebookError, run_notebook
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.errors import CounterfoilError, NotFoundError, UsageError
from counterfoil.processing.job import Job, log
from counterfoil.steps.options import InsightsOptions

FOLDERS = (Path("/opt/counterfoil/notebooks"), Path(__file__).parents[3] / "notebooks")
"""Where notebooks lie: in the image, else in the checkout."""
REPORT = "insight_report.html"


class UnfinishedNotebookError(CounterfoilError, RuntimeError):
    """A notebook that did not run to its end."""


def insights(options: InsightsOptions) -> None:
    """Run a notebook on the lake as it is published now; keep what came of it, and the report that it writes.

    A lake without scores has nothing to report. A notebook that fails, hangs or is not whole fails the step.
    """
    job = Job.here()
    if options.notebook is not None and job.workspace.tables.runs(SCORE_TABLE):
        _run(job, _found(options.notebook))
    else:
        log().info("no insight report", notebook=options.notebook)
    job.finish("insights")


def _run(job: Job, notebook: Path) -> None:
    if find_spec("papermill") is None:
        raise UsageError("papermill is not installed: pip install 'counterfoil[notebooks]', or give Notebook=-")
    folder = job.output("insights")
    given = {"workspace": str(job.workspace.root), "out": str(folder / REPORT)}
    try:
        run_notebook(notebook, folder / notebook.name, given, cell_seconds=CELL_SECONDS)
    except NotebookError as error:
        # What a cell said may hold anything: only the log, which is ours to protect, gets it.
        print(error, file=sys.stderr)  # noqa: T201 the container's own voice
        raise UnfinishedNotebookError(f"notebook {notebook.stem} did not run to its end: see the log") from None
    log().info("notebook ran", notebook=notebook.stem)


def _found(name: str) -> Path:
    there = sorted(path for folder in FOLDERS for path in folder.glob("*.ipynb"))
    for path in there:
        if path.stem == name:
            return path
    raise NotFoundError(f"no notebook {name!r}; there are: {', '.join(path.stem for path in there) or 'none'}")
