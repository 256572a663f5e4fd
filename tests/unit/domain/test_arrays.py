"""Rows are chosen by their labels, whatever their order."""

import numpy as np
import pytest

from counterfoil.domain.arrays import frauds_and_first_good


@pytest.mark.parametrize(("most", "chosen"), [(0, [1, 4]), (1, [0, 1, 4]), (2, [0, 1, 2, 4]), (9, [0, 1, 2, 3, 4, 5])])
def test_all_frauds_stay_and_the_first_good_payments(most: int, chosen: list[int]) -> None:
    assert frauds_and_first_good(np.array([0, 1, 0, 0, 1, 0], np.int8), most).tolist() == chosen
