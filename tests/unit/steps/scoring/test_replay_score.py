"""When a replayed score is the stored one."""

from typing import Any

import pytest

from counterfoil.steps.scoring.replay_score import Precedents, Replay, compare_precedents, difference

STORED: dict[str, Any] = {
    "anomaly_signal": 0.5, "signal_kind": "calibrated", "decision": "review",
    "novelty": 0.25, "fraud_similarity": 0.9,
    "good_similarity": None, "fraud_tied": False, "good_tied": False,
    "precedents": [
        {"reference_id": name, "label": label, "similarity": similarity}
        for name, label, similarity in (("f1", 1, 0.9), ("f2", 1, 0.8), ("f3", 1, 0.8), ("g1", 0, 0.7))
    ],
}  # fmt: skip


def replayed(**changed: Any) -> dict[str, Any]:
    return STORED | changed


def cited(*names: str, last: float = 0.8) -> list[dict[str, Any]]:
    similarities = (0.9, 0.8, last)
    frauds = [{"reference_id": name, "label": 1, "similarity": s} for name, s in zip(names, similarities, strict=False)]
    return [*frauds, STORED["precedents"][-1]]


def replay(other: dict[str, Any]) -> Replay:
    return Replay("t1", "run", STORED, other, difference(STORED, other), compare_precedents(STORED, other))


def test_the_same_numbers_and_precedents_are_a_reproduction() -> None:
    found = replay(replayed())
    assert (found.ok, found.difference, found.precedents) == (True, 0.0, Precedents.SAME)


@pytest.mark.parametrize("name", ["anomaly_signal", "novelty", "fraud_similarity"])
def test_any_number_may_differ_by_a_millionth_and_no_more(name: str) -> None:
    assert replay(replayed(**{name: STORED[name] + 9e-7})).ok
    far = replay(replayed(**{name: STORED[name] - 2e-6}))
    assert far.difference == pytest.approx(2e-6)
    assert not far.ok


def test_a_number_that_only_one_has_is_infinitely_far() -> None:
    assert replay(replayed(good_similarity=0.1)).difference == float("inf")
    assert replay(replayed(fraud_similarity=None)).difference == float("inf")
    assert not replay(replayed(good_similarity=0.1)).ok


def test_another_kind_of_signal_is_no_reproduction() -> None:
    assert not replay(replayed(signal_kind="novelty")).ok
    assert not replay(replayed(decision="block")).ok


def test_what_the_policy_said_then_is_a_part_of_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STORED, "policy_hits", ["allow: list staff"])
    monkeypatch.setitem(STORED, "decision", "allow")
    assert replay(replayed(decision="review", policy_hits=None)).ok
    monkeypatch.setitem(STORED, "policy_hits", [])
    assert not replay(replayed(decision="review", policy_hits=None)).ok


@pytest.mark.parametrize(
    ("precedents", "tied", "expected"),
    [
        (cited("f1", "f3", "f2"), False, Precedents.TIED),
        (cited("f1", "f2", "f9"), True, Precedents.TIED),
        (cited("f1", "f2", "f9"), False, Precedents.DIFFERENT),
        (cited("f9", "f2", "f3"), True, Precedents.DIFFERENT),
        (cited("f2", "f1", "f3"), True, Precedents.DIFFERENT),
        (cited("f1", "f9", "f3", last=0.79), True, Precedents.DIFFERENT),
        (cited("f1", "f2"), True, Precedents.DIFFERENT),
    ],
    ids=["swapped", "tied at the end", "not tied", "the nearest", "unequal swapped", "less similar", "fewer"],
)
def test_precedents_may_differ_among_equally_similar_ones_only(
    precedents: list[dict[str, Any]], tied: bool, expected: Precedents
) -> None:
    found = replay(replayed(precedents=precedents, fraud_tied=tied))
    assert found.precedents is expected
    assert found.ok is (expected is Precedents.TIED)
