"""PostgreSQL is gone, before a step or in its middle: one line says what to do, and the next run completes it."""

import os
import signal
from pathlib import Path

import pytest
from undisturbed import Walk, Walks

from counterfoil.adapters.postgres import embedded as embedded_postgres

pytestmark = pytest.mark.xdist_group("faults")

ASK = ("collect", "train", "promote", "score", "recollect", "forget", "rotate-key")
"""The steps that need the database."""


def middle(walk: Walk) -> int:
    """The number of the point in the middle of those that are statements to PostgreSQL."""
    numbers = [number for number, name in enumerate(walk.points, start=1) if name.startswith("PostgreSQL")]
    return numbers[len(numbers) // 2]


def require_told(code: int | None, err: str) -> None:
    last = err.splitlines()[-1]
    assert code == 1
    assert "Traceback" not in err
    assert last.startswith("counterfoil: PostgreSQL at ")
    assert "not available" in last
    assert last.endswith("start the server, or correct the DSN in the settings")


@pytest.mark.parametrize("name", ASK)
def test_the_server_is_stopped_before_and_in_the_middle(
    walks: Walks, quick_server: str, short_folder: Path, name: str
) -> None:
    walk = walks.walk(name)
    walk.restore()
    stopped = walk.run(at=middle(walk), fault="stop")
    assert stopped.stopped
    embedded_postgres.stop(short_folder / "pg")
    os.kill(stopped.pid, signal.SIGCONT)
    code = walk.place.zygote.ask(wait=stopped.pid)["code"]
    not_there = walk.run()
    assert embedded_postgres.start(short_folder / "pg") == quick_server
    require_told(code, stopped.err)
    require_told(not_there.code, not_there.err)
    assert list(walk.half_made()) == []
    assert list(walk.unfinished()) == []
