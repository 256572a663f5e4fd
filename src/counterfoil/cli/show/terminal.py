"""What people see on the terminal: progress while work is under way, tables when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from counterfoil.steps.progress import Steps

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def progress(what: str) -> Iterator[Steps]:
    """Show a spinner with the current step and a bar for counted rows; plain lines where there is no terminal."""
    if not err.is_terminal:
        yield Steps(tell=lambda step: err.print(f"{what}: {step}", soft_wrap=True))
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield Steps(
            tell=lambda step: bar.update(task, description=f"{what}: {step}", total=None, completed=0),
            count=lambda done, total: bar.update(task, description=what, completed=done, total=total or None),
        )
