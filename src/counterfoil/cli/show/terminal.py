"""What people see on the terminal: progress while work is under way, tables when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console

from counterfoil.progress import Progress

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a spinner with the current step and a bar for counted rows; plain lines where there is no terminal."""
    if not err.is_terminal:
        yield Progress(begin=lambda step: err.print(f"{what}: {step}", soft_wrap=True))
        return
    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield Progress(
            begin=lambda step: bar.update(task, description=f"{what}: {step}", total=None, completed=0),
            count=lambda done, total: bar.update(task, description=what, completed=done, total=total or None),
        )
