"""The disk is full: one line says so, nothing is seen half, and with room the next run comes to the same."""

import pytest
from undisturbed import ALL, NAMES, Walk, Walks

pytestmark = pytest.mark.xdist_group("faults")

END = [name for name in NAMES if name not in ("watch", "feedback")]
"""Steps that a full disk ends: a watcher waits for its stores, however long, and feedback is settled later."""
WRITE = [name for name in END if name not in ("promote", "open the registry")]
LIMITS = (700, 4_000)
"""Bytes that a file may have; the system then refuses to write on, as it does on a full disk."""


def told(err: str) -> list[str]:
    """What a user is told, without the progress lines; a traceback would be many lines."""
    return [line for line in err.splitlines() if not line.startswith(("collecting", "curating", "features", "training",
            "scoring", "forgetting", "changing the key"))]  # fmt: skip


def faults_of(walk: Walk, at: int, limit: int = 0) -> list[str]:
    """Let the disk be full from a point on; say what is wrong."""
    walk.restore()
    done = walk.run(at=at, fault="full", limit=limit)
    if done.code == 0:  # the rest needs no room, or was removed in vain
        return [*walk.unfinished()]
    lines = told(done.err)
    wrong = [] if done.code == 1 else [f"code {done.code}, signal {done.signal}"]
    if len(lines) != 1 or not lines[0].startswith("counterfoil: ") or "room" not in lines[0]:
        wrong.append(f"said: {done.err[-1500:]}")
    return [*wrong, *walk.half_made(), *walk.unfinished()]


@pytest.mark.parametrize("name", END)
def test_the_disk_is_full_from_some_point_on(walks: Walks, name: str) -> None:
    walk = walks.walk(name)
    numbers = sorted(numbers[0] for numbers in walk.alike().values())
    chosen = numbers[:: max(1, len(numbers) // 4)] if ALL else [numbers[len(numbers) // 2]]
    found = {at: faults_of(walk, at) for at in chosen}
    wrong = [f"{at}, {walk.points[at - 1]}: {'; '.join(what)}" for at, what in found.items() if what]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", WRITE)
def test_no_file_may_grow(walks: Walks, name: str) -> None:
    """The system itself refuses: what Arrow, DuckDB and SQLite make of it is not our stand-in's word."""
    walk = walks.walk(name)
    limits = LIMITS if ALL else LIMITS[WRITE.index(name) % 2 :][:1]  # in turn, from step to step
    found = {limit: faults_of(walk, 0, limit) for limit in limits}
    assert {limit: what for limit, what in found.items() if what} == {}
