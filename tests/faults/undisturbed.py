"""Each step as it runs when nothing happens: what a step that was disturbed is held against."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fault_points import ASIDE
from final_state import State, half_made
from walked_place import Done, WalkedPlace
from walked_steps import STEPS, WalkedStep

ALL = os.environ.get("COUNTERFOIL_FAULTS") == "all"
"""Whether everything is walked (`make faults`), not a sample (`make test`)."""
NAMES = tuple(step.name for step in STEPS)
END = "end"
"""The name of the state after the last step that ran undisturbed."""


@dataclass(frozen=True)
class Walk:
    """A step as it runs undisturbed: what is seen before and after, its files and its points."""

    place: WalkedPlace
    step: WalkedStep
    arguments: tuple[str, ...]
    before: State
    after: State
    files: Counter[str]
    points: tuple[str, ...]

    def restore(self) -> None:
        """Bring back the state before the step."""
        self.place.restore(self.step.name)

    def run(self, *, at: int = 0, fault: str = "kill", limit: int = 0) -> Done:
        """Run the step, with a fault or without one."""
        return self.place.run(self.arguments, at=at, fault=fault, limit=limit)

    def half_made(self) -> Iterator[str]:
        """Say what is seen that is neither as before the step nor as after it."""
        seen = self.place.look(releases=self.step.releases)
        return (f"half made: {what}" for what in half_made(self.before, self.after, seen))

    def unfinished(self) -> Iterator[str]:
        """Run the step again and say what is then not as it is after an undisturbed run."""
        again = self.run()
        if again.code != 0:
            yield f"the next run failed: {again.err[-1000:]}"
            return
        seen = self.place.look(releases=self.step.releases)
        yield from (f"not the same: {what}" for what in half_made(self.after, self.after, seen))
        yield from (f"left: {path}" for path in self.place.files() - self.files)

    def alike(self, *, every: bool = False) -> dict[str, list[int]]:
        """The numbers of the points by what is done there; with `every`, each by itself.

        Only the statements with which MLflow makes its tables aside stay together: none of them changes what is seen.
        """
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self.points, start=1):
            kind = f"{name} {number}" if every else re.sub(r"\d+", "#", name)
            found.setdefault(ASIDE if name.startswith(ASIDE) else kind, []).append(number)
        return found


class Walks:
    """The steps one after another, undisturbed, as far as they are asked for; the state before each is kept."""

    def __init__(self, place: WalkedPlace) -> None:
        self.place = place
        self._walks: dict[str, Walk] = {}

    def walk(self, name: str) -> Walk:
        """Return a step as it runs undisturbed."""
        if self._walks:
            self.place.restore(END)
        for step in STEPS[len(self._walks) : NAMES.index(name) + 1]:
            self._walks[step.name] = undisturbed(self.place, step)
            self.place.keep(END)
        return self._walks[name]


def undisturbed(place: WalkedPlace, step: WalkedStep) -> Walk:
    """Run a step in the place as it is now."""
    step.prepare(place)
    arguments = step.arguments(place)
    place.keep(step.name)
    before = place.look(releases=step.releases)
    if step.name == "train":
        place.run(arguments)  # the fit is remembered, and its files are no points of the walk
    place.restore(step.name)
    done = place.run(arguments)
    assert done.code == 0, done.err
    return Walk(place, step, arguments, before, place.look(releases=step.releases), place.files(), done.points)
