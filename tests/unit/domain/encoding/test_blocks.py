"""The evidence blocks: scales, missing and unseen values, sentences, and how often a text is encoded."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.encoding.blocks import (
    CLIP,
    MAX_CATEGORY_DIMENSIONS,
    MAX_TEXT_DIMENSIONS,
    SENTENCE_LENGTH,
    CategoryBlock,
    CyclicBlock,
    NumericBlock,
    TextBlock,
    remembering,
    sentences,
)  # fmt: skip
from counterfoil.domain.encoding.evidence import numbers


def column(*values: float | None) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.float64())})


def test_numbers_are_read_from_whatever_pieces_and_types_columns_have() -> None:
    pieces = [
        pa.table({"x": [1.5, None], "n": pa.array([1, None], pa.int8())}),
        pa.table({"x": [np.inf], "n": pa.array([3], pa.int8())}),
    ]
    table = pa.concat_tables(pieces)
    np.testing.assert_array_equal(numbers(table, ("n", "x")), [[1, 1.5], [np.nan, np.nan], [3, np.nan]])
    assert numbers(table, ()).shape == (3, 0)
    assert numbers(table.slice(0, 0), ("x",)).shape == (0, 1)


def numeric(values: Sequence[float | None], weight: float = 1.0) -> NumericBlock:
    return NumericBlock.fit(numbers(column(*values), ("x",)), ("x",), np.array([weight]))


class TestNumeric:
    def test_a_skewed_column_is_read_on_a_signed_log_scale(self) -> None:
        skewed = [float(n) for n in range(50)] + [1e6]
        block = numeric(skewed)
        assert block.logged.tolist() == [True]
        logs = np.log1p(skewed)
        expected = (np.log1p(700) - logs.mean()) / logs.std()
        assert block.scaled(column(700.0))[0, 0] == pytest.approx(expected, rel=1e-6)
        mirrored = numeric([-v for v in skewed])
        assert mirrored.scaled(column(-700.0))[0, 0] == pytest.approx(-expected, rel=1e-6)

    def test_a_straight_column_is_only_standardised(self) -> None:
        block = numeric([1.0, 2.0, 3.0, 4.0, 5.0])
        assert block.logged.tolist() == [False]
        assert block.scaled(column(3.0, 4.0))[:, 0] == pytest.approx([0, 1 / np.sqrt(2)])

    @pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), float("-inf")])
    def test_a_missing_value_is_the_mean_and_does_not_shift_it(self, missing: float | None) -> None:
        block = numeric([1.0, 3.0, missing])
        assert block.scaled(column(missing, 2.0, 3.0))[:, 0].tolist() == [0, 0, 1]

    def test_one_wild_value_is_cut_in_the_vector(self) -> None:
        block = numeric([1.0, 2.0, 3.0])
        assert block.transform(column(1e300, -1e300))[:, 0].tolist() == [CLIP, -CLIP]

    def test_the_weight_comes_after_the_cut(self) -> None:
        block = numeric([1.0, 2.0, 3.0], weight=0.25)
        assert block.transform(column(1e9)).tolist() == [[CLIP / 4]]

    def test_trees_see_how_far_a_value_is_while_float32_holds_it(self) -> None:
        block = numeric([1.0, 2.0, 3.0])
        near, far, wild = block.scaled(column(20.0, 2000.0, 1e300))[:, 0].tolist()
        assert CLIP < near < far < wild < np.inf

    @given(st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12)), min_size=3, max_size=30))
    def test_training_values_are_finite_and_within_the_cut(self, values: list[float | None]) -> None:
        if all(v is None for v in values):
            values = [*values, 1.0]
        block = numeric(values)
        assert np.isfinite(block.scaled(column(*values))).all()
        assert np.abs(block.transform(column(*values))).max() <= CLIP


def test_time_is_weighted_and_missing_time_is_the_centre_of_the_circle() -> None:
    table = pa.table({"hour_sin": [1.0, None], "hour_cos": [0.5, -0.5]})
    block = CyclicBlock(("hour_sin", "hour_cos"), np.array([0.5, 2.0]))
    assert block.transform(table).tolist() == [[0.5, 1.0], [0.0, -1.0]]


def text_table(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


class TestCategories:
    def test_seen_values_have_a_place_each_and_others_none(self) -> None:
        block = CategoryBlock.fit(text_table(c=["b", "a", "b", None]), ("c",))
        assert block.values == (("b", "a"),)
        assert block.transform(text_table(c=["a", "b", "new", None])).tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]

    def test_a_payment_s_length_does_not_grow_with_the_number_of_columns(self) -> None:
        table = text_table(a=["x"], b=["y"], c=["z"])
        rows = CategoryBlock.fit(table, ("a", "b", "c")).transform(table)
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1.0])

    def test_only_the_commonest_values_have_a_place(self) -> None:
        values = [f"v{n}" for n in range(200) for _ in range(1 + (n == 123))]
        block = CategoryBlock.fit(text_table(c=values), ("c",))
        assert len(block.values[0]) == MAX_CATEGORY_DIMENSIONS
        assert block.values[0][0] == "v123"

    def test_without_columns_there_is_nothing(self) -> None:
        table = text_table(c=["x", "y"])
        assert CategoryBlock.fit(table, ()).transform(table).shape == (2, 0)


class TestSentences:
    NAMES = ("merchant_id", "category")

    def made(self, merchant: str | None, category: str | None) -> str | None:
        return sentences(text_table(merchant_id=[merchant], category=[category]), self.NAMES)[0]

    def test_values_stand_behind_their_names(self) -> None:
        assert self.made("Harbour_Grocers", "food") == "merchant id: Harbour Grocers | category: food"
        assert self.made(None, "food") == "category: food"
        assert self.made("Harbour", None) == "merchant id: Harbour"
        assert self.made(None, None) is None

    def test_values_of_different_columns_cannot_run_together(self) -> None:
        assert self.made("ab", "c") != self.made("a", "bc")
        assert self.made("a", None) != self.made(None, "a")

    def test_a_long_sentence_is_cut(self) -> None:
        assert self.made("x" * 1000, "c") == ("merchant id: " + "x" * 1000)[:SENTENCE_LENGTH]


class Counting:
    """An embed function that keeps what it was asked."""

    def __init__(self, embed: Any) -> None:
        self._embed, self.texts = embed, []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return self._embed(texts)


class TestText:
    NAMES = ("merchant", "category")

    def table(self, rows: int) -> pa.Table:
        return text_table(merchant=[f"shop {n % 7}" for n in range(rows)], category=["food"] * rows)

    def test_each_distinct_sentence_is_encoded_once(self, embedder: Any) -> None:
        embed = Counting(embedder.embed)
        block = TextBlock.fit(self.table(500), self.NAMES, embed)
        assert len(embed.texts) == len(set(embed.texts)) == 7
        embed.texts.clear()
        rows = block.transform(self.table(500), embed)
        assert len(embed.texts) == len(set(embed.texts)) == 7
        assert len(np.unique(rows, axis=0)) == 7

    def test_rows_are_unit_vectors_and_rows_without_text_are_zeros(self, embedder: Any) -> None:
        block = TextBlock.fit(self.table(50), self.NAMES, embedder.embed)
        table = text_table(merchant=["shop 1", "unheard of", None], category=["food", "food", None])
        rows = block.transform(table, embedder.embed)
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 0], abs=1e-5)

    def test_nothing_is_asked_for_rows_without_text(self, embedder: Any) -> None:
        block = TextBlock.fit(self.table(50), self.NAMES, embedder.embed)
        embed = Counting(embedder.embed)
        block.transform(text_table(merchant=[None], category=[None]), embed)
        assert embed.texts == []

    @pytest.mark.parametrize(("sentences_", "width"), [(2, 2), (31, 31), (100, MAX_TEXT_DIMENSIONS)])
    def test_the_width_is_bounded(self, embedder: Any, sentences_: int, width: int) -> None:
        table = text_table(merchant=[f"m{n}" for n in range(sentences_)])
        block = TextBlock.fit(table, ("merchant",), embedder.embed)
        assert block.transform(table, embedder.embed).shape == (sentences_, width)


def test_threads_share_what_was_encoded_even_as_it_is_forgotten(embedder: Any) -> None:
    texts = [f"shop {n}" for n in range(12)]
    expected = dict(zip(texts, embedder.embed(texts), strict=True))
    barrier, alone = Barrier(4), Lock()

    def embed(some: Sequence[str]) -> Any:
        assert alone.acquire(blocking=False), "two threads encode at once"
        time.sleep(0.001)
        alone.release()
        return np.stack([expected[text] for text in some])

    remembered = remembering(embed, most=10)

    def ask(first: int) -> None:
        barrier.wait()
        for turn in range(30):
            some = [texts[(first + turn + n) % 12] for n in range(4)]
            np.testing.assert_array_equal(remembered(some), [expected[text] for text in some])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(0, 12, 3)))
