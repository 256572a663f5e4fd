"""A search by leaves finds what the full scan finds, and looks at few references where they lie in groups."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.arrays import unit_rows
from counterfoil.domain.scoring import compare, leaves
from counterfoil.domain.scoring.compare import References, Side
from counterfoil.domain.scoring.leaves import LEAF, Leaves


def grouped(rng: np.random.Generator, rows: int, groups: int, spread: float, width: int) -> np.ndarray:
    """Unit rows about so many centres; a quarter are copies of others."""
    centres = rng.normal(size=(groups, width))
    found = unit_rows((centres[rng.integers(groups, size=rows)] + spread * rng.normal(size=(rows, width))).astype("f4"))
    return found[np.where(rng.random(rows) < 0.25, rng.integers(rows, size=rows), np.arange(rows))]


def assert_same(found: Side, expected: Side) -> None:
    np.testing.assert_allclose(found.similarity, expected.similarity, rtol=0, atol=2e-7)
    clear = np.abs(np.diff(expected.similarity, axis=1)) > 1e-6
    clear = np.hstack([clear, np.zeros((len(clear), 1), bool)])
    clear[:, 1:] &= clear[:, :-1]
    np.testing.assert_array_equal(found.position[clear], expected.position[clear])


@settings(deadline=None, max_examples=examples(25))
@given(
    frauds=st.sampled_from([30, 45, LEAF, LEAF + 1, 300]),
    goods=st.sampled_from([40, 3 * LEAF, 20 * LEAF + 7, 1500]),
    groups=st.sampled_from([1, 4, 40]),
    spread=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    width=st.sampled_from([3, 8, 60]),
    rows=st.integers(1, 6),
    k=st.sampled_from([1, 5, 20]),
    seed=st.integers(0, 1000),
)
def test_the_nearest_are_those_of_the_full_scan(
    frauds: int, goods: int, groups: int, spread: float, width: int, rows: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    references = grouped(rng, frauds + goods, groups, spread, width)
    labels = rng.permutation(np.r_[np.ones(frauds), np.zeros(goods)]).astype(np.int8)
    copied = references[rng.integers(len(references), size=rows)]
    queries = np.where(rng.random((rows, 1)) < 0.5, copied, grouped(rng, rows, groups, spread, width)).astype("f4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "FEW_REFERENCES", 40)
        patch.setattr(leaves, "FIRST_LEAVES", 2)
        by_leaves = References(references, labels)
        by_leaves.prepare()
        found = by_leaves.compare(queries, k)
    expected = References(references, labels).compare(queries, k)
    assert_same(found.fraud, expected.fraud)
    assert_same(found.good, expected.good)


def test_few_references_are_compared_in_full_where_they_lie_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    references = grouped(rng, 6_000, 60, 0.1, 30)
    cut = Leaves.of(references)
    assert cut is not None
    query, (ready, order) = references[5], cut
    ordered = references[order]
    monkeypatch.setattr(leaves, "FIRST_LEAVES", 4)
    kept = ready.nearest(ordered, query, 24)
    # What lies in none of the nearest leaves is put where no product could find it again: it is not looked at.
    near = np.argsort(-(ordered @ query))[:600]
    blanked = np.full_like(ordered, np.nan)
    blanked[near] = ordered[near]
    np.testing.assert_array_equal(kept, ready.nearest(blanked, query, 24))


def test_what_is_no_unit_vector_is_not_searched_by_leaves() -> None:
    rows = grouped(np.random.default_rng(4), 100, 3, 1.0, 10)
    assert Leaves.of(rows * np.float32(1.01)) is None
    assert Leaves.of(rows[:0]) is None
