"""Each step is killed at each of its fault points: nothing half made is seen, and the next run comes to the same.

All points are walked with COUNTERFOIL_FAULTS=all (`make faults`); without it, of points that repeat (a file a day) the
first, the middle and the last.
"""

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass

import pytest
from fault_points import ASIDE
from final_state import State, half_made
from walked_place import WalkedPlace
from walked_steps import STEPS, WalkedStep

pytestmark = pytest.mark.xdist_group("faults")

ALL = os.environ.get("COUNTERFOIL_FAULTS") == "all"
NAMES = [step.name for step in STEPS]
END = "end"
"""The name of the state after the last step that ran undisturbed."""


@dataclass(frozen=True)
class Walk:
    """A step as it runs undisturbed: what is seen before and after, its files and its points."""

    step: WalkedStep
    arguments: tuple[str, ...]
    before: State
    after: State
    files: Counter[str]
    points: tuple[str, ...]


class Walks:
    """The steps one after another, undisturbed, as far as they are asked for; the state before each is kept."""

    def __init__(self, place: WalkedPlace) -> None:
        self._place = place
        self._walks: dict[str, Walk] = {}

    def walk(self, name: str) -> Walk:
        """Return a step as it runs undisturbed."""
        if self._walks:
            self._place.restore(END)
        for step in STEPS[len(self._walks) : NAMES.index(name) + 1]:
            self._walks[step.name] = undisturbed(self._place, step)
            self._place.keep(END)
        return self._walks[name]


@pytest.fixture(scope="session")
def walks(place: WalkedPlace) -> Walks:
    """Return the steps."""
    return Walks(place)


def undisturbed(place: WalkedPlace, step: WalkedStep) -> Walk:
    step.prepare(place)
    arguments = step.arguments(place)
    place.keep(step.name)
    first = place.run(arguments)  # a fit is remembered, and its files are no points of the walk
    assert first.code == 0, first.err
    place.restore(step.name)
    before = place.look(releases=step.releases)
    done = place.run(arguments)
    assert done.code == 0, done.err
    return Walk(step, arguments, before, place.look(releases=step.releases), place.files(), done.points)


def chosen(points: tuple[str, ...]) -> list[int]:
    """The numbers of the points to be killed at."""
    alike: dict[str, list[int]] = {}
    for number, name in enumerate(points, start=1):
        kind = ASIDE if name.startswith(ASIDE) else f"{name} {number}" if ALL else re.sub(r"\d+", "#", name)
        alike.setdefault(kind, []).append(number)
    return sorted({numbers[place] for numbers in alike.values() for place in (0, len(numbers) // 2, -1)})


def faults_of(place: WalkedPlace, walk: Walk, at: int) -> list[str]:
    """Kill the step at a point, look, run it again, look again; say what is wrong."""
    place.restore(walk.step.name)
    killed = place.run(walk.arguments, at=at)
    if killed.signal != signal.SIGKILL:
        return [f"was not killed: {killed.code} {killed.err}"]
    seen = place.look(releases=walk.step.releases)
    wrong = [f"half made: {what}" for what in half_made(walk.before, walk.after, seen)]
    again = place.run(walk.arguments)
    if again.code != 0:
        return [*wrong, f"the next run failed: {again.err[-1000:]}"]
    end = place.look(releases=walk.step.releases)
    wrong += [f"not the same: {what}" for what in half_made(walk.after, walk.after, end)]
    return wrong + [f"left: {path}" for path in (place.files() - walk.files)]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_killed_at_each_point(place: WalkedPlace, walks: Walks, name: str) -> None:
    walk = walks.walk(name)
    wrong = {}
    numbers = chosen(walk.points)
    for at in numbers:
        found = faults_of(place, walk, at)
        if found:
            wrong[f"{at} of {len(walk.points)}, {walk.points[at - 1]}"] = found
    print(f"{name}: killed {len(numbers)} times at {len(walk.points)} points")  # noqa: T201 for `make faults`
    assert not wrong, "\n".join(f"{point}: {'; '.join(found)}" for point, found in wrong.items())
