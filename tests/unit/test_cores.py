"""How many cores a process may use: the smallest of what the machine, its control group and its user say."""

from pathlib import Path

import pytest

from counterfoil.cores import cores, settle_threads


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))


def limited(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 8), ("1 0", 8)],
)
def test_a_control_groups_share_counts_and_a_part_of_a_core_is_one(tmp_path: Path, text: str, expected: int) -> None:
    assert cores({}, limited(tmp_path, text + "\n")) == expected


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("4,2", 4), ("64", 8), ("0", 8), ("", 8), ("all", 8)])
def test_the_users_number_counts_where_it_is_smaller(tmp_path: Path, given: str, expected: int) -> None:
    assert cores({"OMP_NUM_THREADS": given}, tmp_path) == expected


def test_the_smallest_counts(tmp_path: Path) -> None:
    assert cores({"OMP_NUM_THREADS": "3"}, limited(tmp_path, "200000 100000")) == 2
    assert cores({"OMP_NUM_THREADS": "1"}, limited(tmp_path, "200000 100000")) == 1


def test_threads_sleep_while_they_wait_and_what_the_user_set_stays() -> None:
    environment: dict[str, str] = {}
    settle_threads(environment)
    assert environment == {
        "OMP_NUM_THREADS": str(cores({})), "OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    own = {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active", "OPENBLAS_NUM_THREADS": "4"}
    settle_threads(own)
    assert own == {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active", "OPENBLAS_NUM_THREADS": "4"}
