"""Run notebooks with papermill, and believe none that did not run to its end.

papermill 2.7 marks cells as completed that never ran, after a kernel that died and after a time limit, and takes
`sys.exit(0)` for success. So each code cell must have an execution count, and the last must have printed its marker.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterfoil.errors import CounterfoilError, UsageError

CELL_SECONDS = 900
"""A cell that takes longer hangs."""
OUTPUT_SECONDS = 60
"""How long a cell's last output may be under way; a busy machine took more than nbclient's 4."""


class NotebookError(CounterfoilError, RuntimeError):
    """A notebook failed, or did not run to its end; the message names the cell."""


def run_notebook(path: Path, out: Path, parameters: Mapping[str, Any], *, cell_seconds: int = CELL_SECONDS) -> Path:
    """Run a notebook and write what came of it to `out`; parameters go in as they are, ids and times as text.

    Raises NotebookError for a cell that failed, hung or never ran, UsageError for a parameter that it does not have.
    """
    import papermill

    out.parent.mkdir(parents=True, exist_ok=True)
    known = papermill.inspect_notebook(str(path))
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise UsageError(f"notebook {path.name} takes no parameter {unknown[0]!r}; it has: {', '.join(known)}")
    try:
        papermill.execute_notebook(
            str(path), str(out), parameters=dict(parameters), kernel_name="python3", progress_bar=False,
            execution_timeout=cell_seconds, iopub_timeout=OUTPUT_SECONDS, cwd=str(path.parent),
            extra_arguments=["--log-level=ERROR"],  # else each kernel warns of unencrypted traffic, over loopback
        )  # fmt: skip
    except Exception as error:  # papermill and nbclient raise what they like
        raise NotebookError(f"notebook {path.name} failed: {_short(error)}; its output is in {out}") from error
    require_complete(out)
    return out


def require_complete(path: Path) -> None:
    """Raise NotebookError unless every code cell was executed and the last one printed 'end of' and its name."""
    import nbformat

    book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    skipped = [number for number, cell in enumerate(cells, 1) if cell.execution_count is None and cell.source.strip()]
    if skipped:
        raise NotebookError(f"notebook {path.name} did not run to its end: code cell {skipped[0]} never ran")
    marker = f"end of {path.stem}"
    printed = "".join(output.get("text", "") for output in cells[-1].outputs) if cells else ""
    if marker not in printed:
        raise NotebookError(f"notebook {path.name} did not print {marker!r} in its last cell: it is not whole")


def _short(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip("- ")]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"
