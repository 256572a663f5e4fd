"""Two collectors at once: one file is collected by one of them, and the other says so; a new workspace has one key."""

import os
import signal

import pytest
from undisturbed import ALL, Walk, Walks
from walked_steps import MAPPING, days_file

pytestmark = pytest.mark.xdist_group("faults")


def point(walk: Walk, beginning: str) -> int:
    """The number of the first point whose name begins so."""
    return next(number for number, name in enumerate(walk.points, start=1) if name.startswith(beginning))


@pytest.mark.parametrize("moment", ["open a Parquet file", "rename lake/", "PostgreSQL: UPDATE input_file"])
def test_the_second_one_says_that_the_first_is_at_work(walks: Walks, moment: str) -> None:
    walk = walks.walk("collect")
    walk.restore()
    first = walk.run(at=point(walk, moment), fault="stop")
    assert first.stopped
    second = walk.run()
    assert (second.code, "another process is collecting it" in " ".join(second.out.split())) == (1, True)
    assert second.err.strip().endswith(
        "another process is collecting days.csv: wait until it is done, then run this again"
    )
    assert list(walk.half_made()) == []
    os.kill(first.pid, signal.SIGCONT)
    assert walk.place.zygote.ask(wait=first.pid)["code"] == 0
    assert list(walk.unfinished()) == []


def test_both_run_freely(walks: Walks) -> None:
    walk = walks.walk("collect")
    for _ in range(4 if ALL else 2):
        walk.restore()
        both = [walk.place.run(walk.arguments, start=True).pid for _ in range(2)]
        codes = [walk.place.zygote.ask(wait=pid)["code"] for pid in both]
        assert sorted(codes) in ([0, 0], [0, 1])
        assert list(walk.unfinished()) == []


def test_two_that_make_the_key_at_once_come_to_one_key(walks: Walks) -> None:
    walk = walks.walk("collect")
    walk.restore()
    other = walk.place.raw / "other.csv"
    other.write_text(open(days_file(walk.place)).readline())  # noqa: PTH123, SIM115 its header alone
    first = walk.run(at=point(walk, "rename"), fault="stop")
    assert (first.stopped, walk.points[len(first.points) - 1].endswith("pseudonym.key.draft")) == (True, True)
    second = walk.place.run(("collect", str(other), *MAPPING), start=True).pid
    os.kill(first.pid, signal.SIGCONT)
    assert [walk.place.zygote.ask(wait=pid)["code"] for pid in (first.pid, second)] == [0, 0]
    keys = list(walk.place.root.glob("pseudonym.key*"))
    assert [(path.name, len(path.read_bytes())) for path in keys] == [("pseudonym.key", 32)]
