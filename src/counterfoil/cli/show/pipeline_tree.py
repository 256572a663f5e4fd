"""A running pipeline on the terminal: its steps as a live tree, or a line for each event where there is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.tree import Tree

from counterfoil.cli.show.terminal import err
from pipelines.local.events import Event, OnEvent

_MARKS = {
    "waiting": "[dim]·[/]",
    "started": "[yellow]▸[/]",
    "finished": "[green]✓[/]",
    "cached": "[cyan]✓[/]",
    "failed": "[red]✗[/]",
    "skipped": "[dim]–[/]",
    "stopped": "[red]■[/]",
}


@dataclass
class _Shown:
    """A step as it is shown; `begun` is a time of the monotonic clock."""

    state: str = "waiting"
    begun: float = 0.0
    event: Event | None = None
    last_line: str = ""


@dataclass
class StepTree:
    """The steps of one execution, in order; gathers events and is drawn from them."""

    title: str
    explain: bool = False
    execution_id: str = ""
    steps: dict[str, _Shown] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take an event in."""
        if event.kind == "planned":
            self.execution_id = event.detail
            self.steps = {name: _Shown() for name in event.lines}
            return
        shown = self.steps.setdefault(event.step, _Shown())
        if event.kind == "log":
            shown.last_line = event.detail
            return
        if event.kind == "started":
            shown.begun = time.monotonic()
        shown.state, shown.event = event.kind, event

    def __rich__(self) -> RenderableType:
        tree = Tree(f"[bold]{escape(self.title)}[/] {self.execution_id}")
        for name, shown in self.steps.items():
            branch = tree.add(f"{_MARKS[shown.state]} {escape(name)}{self._words(shown)}")
            if shown.state == "started" and shown.last_line:
                branch.add(f"[dim]{escape(shown.last_line[:100])}[/]")
            if self.explain and shown.event is not None and shown.state in ("finished", "cached"):
                for line in shown.event.lines:
                    branch.add(f"[dim]{escape(line)}[/]")
        return tree

    def _words(self, shown: _Shown) -> str:
        if shown.state == "started":
            return f"  {time.monotonic() - shown.begun:.0f} s"
        if shown.event is None or shown.state == "skipped":
            return ""
        return f"  {escape(_told(shown.event))}"


@contextmanager
def show_steps(title: str, *, explain: bool = False, console: Console = err) -> Iterator[OnEvent]:
    """Give a callback for events, and show them: as a live tree on a terminal, else line by line.

    With `explain` it is also shown why each step was or was not taken from the cache.
    """
    if not console.is_terminal:
        yield lambda event: _print(console, event, title, explain)
        return
    tree = StepTree(title, explain)
    with Live(tree, console=console, refresh_per_second=4):
        yield tree.add
    for shown in tree.steps.values():
        if shown.event is not None and shown.state == "failed":
            _print_tail(console, shown.event)


def _print(console: Console, event: Event, title: str, explain: bool) -> None:
    if event.kind == "log":
        return
    if event.kind == "planned":
        console.print(f"{title}: execution {event.detail}", markup=False, soft_wrap=True)
        return
    words = "started" if event.kind == "started" else _told(event)
    console.print(f"{title}: {event.step}: {words}", markup=False, soft_wrap=True)
    if explain and event.kind in ("finished", "cached"):
        for line in event.lines:
            console.print(f"{title}: {event.step}: cache: {line}", markup=False, soft_wrap=True)
    if event.kind == "failed":
        _print_tail(console, event)


def _print_tail(console: Console, event: Event) -> None:
    for line in event.lines:
        console.print(f"    {line}", markup=False, soft_wrap=True)


def _told(event: Event) -> str:
    if event.kind == "cached":
        return f"cached, from execution {event.detail}"
    if event.kind == "failed":
        return f"failed after {event.seconds:.1f} s: {event.detail}"
    if event.kind == "finished":
        outcome = f", {event.detail}" if event.detail else ""
        return f"{event.seconds:.1f} s{outcome}"
    return event.kind
