"""Each step is killed at each of its fault points: nothing half made is seen, and the next run comes to the same.

All points are walked with COUNTERFOIL_FAULTS=all (`make faults`); without it, of points that repeat (a file a day) the
first and the last, and of these some, evenly spread over the step.
"""

import re
import signal

import pytest
from undisturbed import ALL, NAMES, Walk, Walks

pytestmark = pytest.mark.xdist_group("faults")


def chosen(walk: Walk) -> list[int]:
    """The numbers of the points to be killed at."""
    alike = walk.alike(every=ALL).values()
    numbers = sorted({some[place] for some in alike for place in (0, -1)})
    if ALL:
        return numbers
    numbers = [number for number in numbers if re.search(walk.step.sample, walk.points[number - 1])]
    most = walk.step.most  # the first point is where nothing was done yet
    if len(numbers) <= most:
        return numbers
    return [numbers[(len(numbers) - 1) * place // most] for place in range(1, most + 1)]


def faults_of(walk: Walk, at: int) -> list[str]:
    """Kill the step at a point, look, run it again, look again; say what is wrong."""
    walk.restore()
    killed = walk.run(at=at)
    if killed.signal != signal.SIGKILL or len(killed.points) != at:
        return [f"was not killed there: {killed.code} {killed.err}"]
    return [*walk.half_made(), *walk.unfinished()]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_killed_at_each_point(walks: Walks, name: str) -> None:
    walk = walks.walk(name)
    numbers = chosen(walk)
    found = {at: faults_of(walk, at) for at in numbers}
    print(f"{name}: killed {len(numbers)} times at {len(walk.points)} points")  # noqa: T201 for `make faults`
    wrong = "\n".join(f"{at}, {walk.points[at - 1]}: {'; '.join(what)}" for at, what in found.items() if what)
    assert not wrong, wrong


def test_a_run_that_comes_at_once_waits_until_the_server_has_seen_that_the_other_was_killed(walks: Walks) -> None:
    walk = walks.walk("collect")
    claimed = next(n for n, name in enumerate(walk.points, start=1) if name.startswith("PostgreSQL: INSERT INTO input"))
    for at in (claimed + 1, len(walk.points)):
        walk.restore()
        assert walk.run(at=at).signal == signal.SIGKILL
        assert list(walk.unfinished()) == []
