#!/usr/bin/env bash
# papermill 2.7.0: cells that never ran are marked as completed.
# Seen: when a cell passes its time limit, papermill raises, but in the notebook that it writes every cell has the
# status "completed" and no exception, also the one that was cut off and those after it.
# Expected: "failed" for the cell that was cut off, "pending" for those after it, as after an ordinary exception.
# What we do: we never ask the status. A notebook is whole when each code cell has an execution count and the last
# one has printed its closing line.

set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet papermill==2.7.0 ipykernel==7.4.0 nbclient==0.11.0 jupyter_client==8.10.0
cd "$folder"

# The kernel that is cut off complains on stderr; that is shown only if the program fails.
"$folder/venv/bin/python" - 2>stderr.txt <<'PYTHON' || { cat stderr.txt >&2; exit 1; }
import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_notebook

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def statuses(name, sources):
    """Pairs (status, execution count) of the cells, and the error that papermill raised."""
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), f"{name}.ipynb")
    error = None
    try:
        papermill.execute_notebook(f"{name}.ipynb", f"{name}_out.ipynb", progress_bar=False, execution_timeout=3)
    except Exception as raised:
        error = type(raised).__name__
    ran = [cell for cell in nbformat.read(f"{name}_out.ipynb", 4).cells if "source" in cell and cell.source in sources]
    return [(cell.metadata.papermill.status, cell.execution_count) for cell in ran], error


slow, slow_error = statuses("slow", ["a = 1", "import time; time.sleep(20)", "b = 2"])
wrong, wrong_error = statuses("wrong", ["a = 1", "1 / 0", "b = 2"])

print(f"papermill {papermill.__version__}: (status, execution count) of three cells")
print(f"seen when the second passes its time limit ({slow_error}): {slow}")
print(f"expected: the pattern after an exception ({wrong_error}): {wrong}")
print("what we do: we trust execution counts and a closing line that the last cell prints")
assert [status for status, _ in slow] == ["completed"] * 3 and slow[2][1] is None, "the behaviour changed"
assert [status for status, _ in wrong] == ["completed", "failed", "pending"], "the behaviour changed"
PYTHON
