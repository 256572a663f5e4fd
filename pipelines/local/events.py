"""What an execution reports while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["planned", "started", "log", "finished", "cached", "failed", "skipped", "stopped"]


@dataclass(frozen=True)
class Event:
    """Something happened to a step.

    `planned` comes first, with the names of all steps in `lines` and the execution's id in `detail`. `detail` is a
    line of the log (with its `host`), a reason, or the execution whose outputs were taken; `lines` say why a step
    was or was not taken from the cache, or end a failed step's log. `seconds` is how long the step took.
    """

    kind: Kind
    step: str
    detail: str = ""
    host: str = ""
    seconds: float = 0.0
    lines: tuple[str, ...] = ()


OnEvent = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Do nothing with an event."""
