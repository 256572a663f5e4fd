"""The blocked comparison finds what sorting everything would find."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.arrays import unit_rows
from counterfoil.domain.scoring.compare import MOST_ROWS, NOTHING, TIE, References, Side
from counterfoil.domain.scoring.on_device import GROUP
from counterfoil.domain.scoring.signal import margin

EVIDENCE_SHARE = 0.2


def vectors(rng: np.random.Generator, rows: int, votes: int = 5, evidence: int = 4) -> np.ndarray:
    """Unit rows whose evidence part has the same length everywhere, as the encoder's have."""
    if votes == 0:
        return unit_rows(rng.normal(size=(rows, evidence)).astype(np.float32))
    parts = [unit_rows(rng.normal(size=(rows, width)).astype(np.float32)) for width in (votes, evidence)]
    return np.hstack([parts[0] * np.sqrt(1 - EVIDENCE_SHARE), parts[1] * np.sqrt(EVIDENCE_SHARE)]).astype(np.float32)


def brute_force(queries: np.ndarray, references: np.ndarray, positions: np.ndarray, k: int) -> Side:
    """Sort every side whole."""
    cosines = queries.astype(np.float64) @ references[positions].astype(np.float64).T
    order = np.argsort(-cosines, axis=1, kind="stable")
    ranked = np.take_along_axis(cosines, order, axis=1)
    room = max(k + 1 - len(positions), 0)
    ranked = np.hstack([ranked, np.full((len(queries), room), NOTHING)])
    tied = (ranked[:, k] >= ranked[:, k - 1] - TIE) & (ranked[:, k - 1] > NOTHING)
    return Side(ranked[:, :k].astype(np.float32), positions[order[:, :k]], tied)


def assert_same(found: Side, expected: Side, width: int) -> None:
    assert found.similarity.shape == expected.similarity.shape
    np.testing.assert_allclose(found.similarity, expected.similarity, atol=2e-6)
    assert found.position[:, :width].shape == expected.position[:, :width].shape
    np.testing.assert_allclose(found.mean, expected.mean, atol=2e-6)


@settings(deadline=None, max_examples=examples(20))
@given(
    frauds=st.sampled_from([0, 1, 2, 7, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP + 3]),
    goods=st.sampled_from([0, 1, 2, 7, GROUP - 1, GROUP, GROUP + 1, 900]),
    rows=st.integers(1, 20),
    k=st.sampled_from([1, 2, 5, 20, GROUP - 1]),
    votes=st.sampled_from([0, 5]),
    seed=st.integers(0, 1000),
)
def test_the_nearest_are_those_of_a_full_sort(
    frauds: int, goods: int, rows: int, k: int, votes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    references = vectors(rng, frauds + goods, votes)
    labels = rng.permutation(np.r_[np.ones(frauds), np.zeros(goods)]).astype(np.int8)
    queries = vectors(rng, rows, votes)
    compared = References(references, labels).compare(queries, k)
    for side, label, count in ((compared.fraud, 1, frauds), (compared.good, 0, goods)):
        positions = np.flatnonzero(labels == label)
        assert_same(side, brute_force(queries, references, positions, k), min(k, count))
        named = side.similarity > NOTHING
        assert (named.sum(axis=1) == min(k, count)).all()
        assert (labels[side.position[named]] == label).all()
        cosines = np.einsum("nd,nkd->nk", queries, references[side.position]) if len(references) else None
        if named.any():
            np.testing.assert_allclose(cosines[named], side.similarity[named], atol=2e-6)
            assert all(len(set(row[here])) == here.sum() for row, here in zip(side.position, named, strict=True))


@pytest.mark.parametrize("rows", [0, 1, MOST_ROWS, MOST_ROWS + 1])
def test_blocks_of_rows_are_joined_without_a_seam(rows: int) -> None:
    rng = np.random.default_rng(0)
    references, queries = vectors(rng, 300), vectors(rng, rows)
    labels = (np.arange(300) % 4 == 0).astype(np.int8)
    compared = References(references, labels).compare(queries, 4)
    assert compared.fraud.similarity.shape == compared.good.position.shape == (rows, 4)
    assert compared.good.tied.shape == (rows,)
    for side, label in ((compared.fraud, 1), (compared.good, 0)):
        assert_same(side, brute_force(queries, references, np.flatnonzero(labels == label), 4), 4)


class TestTies:
    def compared(self, copies: int, k: int) -> Side:
        rng = np.random.default_rng(0)
        query = vectors(rng, 1)
        references = rng.permutation(np.vstack([vectors(rng, 100), np.repeat(query, copies, axis=0)]))
        return References(references, np.ones(len(references), np.int8)).compare(query, k).fraud

    @pytest.mark.parametrize(("copies", "k", "tied"), [(7, 3, True), (7, 6, True), (7, 7, False), (7, 8, False)])
    def test_an_arbitrary_choice_is_flagged(self, copies: int, k: int, tied: bool) -> None:
        side = self.compared(copies, k)
        assert side.tied.tolist() == [tied]
        np.testing.assert_allclose(side.similarity[0, : min(k, copies)], 1, atol=1e-6)

    def test_a_side_that_is_named_whole_is_no_choice(self) -> None:
        rows = np.repeat(vectors(np.random.default_rng(0), 1), 3, axis=0)
        compared = References(rows, np.ones(3, np.int8)).compare(rows[:1], 3)
        assert compared.fraud.tied.tolist() == compared.good.tied.tolist() == [False]


@pytest.mark.parametrize("votes", [0, 5])
@pytest.mark.parametrize("goods", [0, 3, 900])
def test_in_half_precision_the_nearest_are_compared_again_in_full(votes: int, goods: int) -> None:
    """Half precision may miss a reference that is as good as another, but what it names has its true cosine."""
    rng = np.random.default_rng(1)
    references, queries = vectors(rng, 200 + goods, votes), vectors(rng, 50, votes)
    labels = (np.arange(200 + goods) < 200).astype(np.int8)
    full, half = (References(references, labels, half=h).compare(queries, 5) for h in (False, True))
    for one, other in ((full.fraud, half.fraud), (full.good, half.good)):
        np.testing.assert_allclose(one.similarity, other.similarity, atol=1e-6)
        named = one.similarity > NOTHING
        assert (one.position == other.position)[named].sum() >= 0.99 * named.sum()
        np.testing.assert_array_equal(one.tied, other.tied)


def test_more_neighbours_than_a_group_holds_are_refused_for_a_small_side_in_half_precision() -> None:
    rows = vectors(np.random.default_rng(0), 10)
    with pytest.raises(ValueError, match=f"k is {GROUP + 1}, at most {GROUP - 1}"):
        References(rows, np.zeros(10, np.int8), half=True).compare(rows, GROUP + 1)


def test_an_empty_side_is_farther_than_anything() -> None:
    rows = vectors(np.random.default_rng(0), 10)
    compared = References(rows, np.zeros(10, np.int8)).compare(rows, 2)
    assert (compared.fraud.similarity == NOTHING).all()
    assert compared.fraud.mean.tolist() == [-1.0] * 10
    np.testing.assert_allclose(compared.good.similarity[:, 0], 1, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
def test_a_payment_is_as_similar_alone_as_among_others(half: bool) -> None:
    """Also to a reference that it nearly copies, where the margin makes much of a small distance."""
    rng = np.random.default_rng(4)
    references = vectors(rng, 700, 120, 80)
    queries = unit_rows(references[:400] + np.float32(1e-4) * rng.normal(size=(400, 200)).astype(np.float32))
    labels = (np.arange(700) % 3 == 0).astype(np.int8)
    ready = References(references, labels, half=half)
    together = ready.compare(queries, 3)
    for number in range(0, 400, 7):
        alone = ready.compare(queries[number : number + 1], 3)
        one, other = (margin(c.fraud.mean, c.good.mean) for c in (alone, together))
        assert one[0] == (pytest.approx(other[number], abs=1e-6) if half else other[number])
        for mine, theirs in ((alone.fraud, together.fraud), (alone.good, together.good)):
            np.testing.assert_array_equal(mine.position[0], theirs.position[number])


def test_small_distances_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    reference = vectors(rng, 1, 120, 80).astype(np.float64)
    aside = rng.normal(size=200)
    aside -= reference[0] * (reference[0] @ aside)
    steps = np.array([0.0, 1e-5, 1e-4, 1e-3])[:, None] * aside / np.linalg.norm(aside)
    queries = unit_rows((reference + steps).astype(np.float32))
    found = References(reference.astype(np.float32), np.ones(1, np.int8)).compare(queries, 1).fraud.similarity[:, 0]
    np.testing.assert_allclose(1 - found, [0, 5e-11, 5e-9, 5e-7], rtol=0.05, atol=2e-14)
