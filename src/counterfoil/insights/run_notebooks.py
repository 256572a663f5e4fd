"""Run all notebooks of a folder: `python -m counterfoil.insights.run_notebooks FOLDER`, for `make notebooks`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from counterfoil.adapters.report.notebooks import NotebookError, require_complete, run_notebook
from counterfoil.errors import CounterfoilError, UsageError

__all__ = ["NotebookError", "main", "require_complete", "run_notebook"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all notebooks of a folder in the order of their names. Exit codes as the command line's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="Folder of the notebooks with their outputs")
    asked = parser.parse_args(arguments)
    try:
        for path in sorted(asked.folder.glob("*.ipynb")):
            run_notebook(path, asked.out / path.name, {"workspace": str(asked.workspace.resolve())})
            print(f"{path.name}: every cell ran")  # noqa: T201 the command's own voice
    except CounterfoilError as error:
        print(f"counterfoil: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    main()
