"""Mean cosines to the nearest references are those of the comparison that serves."""

import numpy as np
import pytest

from counterfoil.domain.arrays import unit_rows
from counterfoil.domain.scoring.compare import References
from counterfoil.domain.training.nearest import BLOCK_ROWS, mean_cosines


def unit(rows: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(rows, 12)).astype(np.float32))


@pytest.mark.parametrize("references", [1, 7, 300])
def test_they_are_those_of_the_comparison_that_serves(references: int) -> None:
    asked, known = unit(BLOCK_ROWS + 5, 0), unit(references, 1)
    found = mean_cosines(asked, known, (1, 20))
    for k in (1, 20):
        expected = References(known, np.ones(references, dtype=np.int8)).compare(asked, k).fraud.mean
        np.testing.assert_allclose(found[k], expected, atol=1e-6)


def test_without_references_nothing_is_near() -> None:
    np.testing.assert_array_equal(mean_cosines(unit(3, 0), unit(5, 1)[:0], (4,))[4], [-1, -1, -1])
