"""How far chance moves the lead of one ranking over another."""

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.training.doubt import Ranked, account_numbers, lead

LABELS = (np.arange(400) % 8 == 0).astype(np.int8)


def ranked(first: np.ndarray, second: np.ndarray, accounts: int = 400) -> Ranked:
    return Ranked(LABELS, np.ones(400), np.arange(400) % accounts, first, second)


def test_the_same_ranking_has_no_lead_and_no_error() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    assert lead([ranked(noise, 2 * noise)], 0) == (0.0, 0.0)


def test_a_ranking_that_knows_the_labels_leads_by_many_errors() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    found, error = lead([ranked(noise + 3 * LABELS, noise)] * 2, 0)
    assert found > 10 * error > 0


def test_payments_of_few_accounts_say_less_than_as_many_of_their_own() -> None:
    rng = np.random.default_rng(1)
    accounts = np.arange(400) % 40
    first = rng.normal(size=40)[accounts] + LABELS  # what is said of an account is said of all its payments
    second = rng.normal(size=40)[accounts] + LABELS
    alone, together = (lead([ranked(first, second, number)], 0)[1] for number in (400, 40))
    assert together > 1.2 * alone


def test_without_frauds_nothing_can_be_told() -> None:
    nobody = Ranked(np.zeros(4, np.int8), np.ones(4), np.arange(4), np.arange(4.0), np.arange(4.0))
    assert lead([nobody], 0)[1] == np.inf


@pytest.mark.parametrize("chunks", [1, 3])
def test_payments_without_an_account_are_accounts_of_their_own(chunks: int) -> None:
    column = pa.chunked_array([pa.array(["b", None, "a", "b", None])[n::chunks] for n in range(chunks)])
    numbers = dict(zip(range(5), account_numbers(pa.table({"account_id": column})), strict=True))
    names = column.to_pylist()
    for i in range(5):
        for j in range(i):
            assert (numbers[i] == numbers[j]) == (names[i] is not None and names[i] == names[j])
    assert sorted(set(numbers.values())) == list(range(4))
