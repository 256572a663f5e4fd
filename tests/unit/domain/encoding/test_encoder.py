"""The encoder: unit vectors of bounded length whose cosine is the documented mixture."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.arrays import unit_rows
from counterfoil.domain.encoding.boosting import BinnedEvidence
from counterfoil.domain.encoding.encoder import (
    ALL_EVIDENCE,
    BLOCK_WEIGHTS,
    MAX_DIMENSIONS,
    MIN_FRAUDS_FOR_VOTES,
    Encoder,
    Mixture,
    join,
)
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.encoding.odds import BAGGED, VARIED
from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.errors import MissingEvidenceError, NotFoundError, TrainingError

Maker = Callable[..., tuple[pa.Table, np.ndarray]]


def schema_of(numbers: int = 3) -> EvidenceSchema:
    names = ("amount", *(f"n{number}" for number in range(numbers)))
    return EvidenceSchema(names, ("category",), ("merchant_id", "category"))


@pytest.fixture(scope="module")
def encoder(evidence: Maker, embedder: Any) -> Encoder:
    table, labels = evidence()
    return Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, mixture=Mixture(0.3, 0.25))


@pytest.fixture(scope="module")
def others(evidence: Maker) -> pa.Table:
    return evidence(rows=200, seed=1)[0]


@pytest.mark.slow
def test_vectors_are_of_length_one_and_as_long_as_said(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    vectors = encoder.encode(others, embedder.embed)
    assert vectors.dtype == np.float32
    assert vectors.shape == (200, encoder.dimensions)
    assert encoder.dimensions == 128 + 15 + 4 + 4 + 5 + 32 <= MAX_DIMENSIONS
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_cosine_is_the_mixture_of_the_parts(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    blocks = encoder.blocks(others, embedder.embed)
    votes, odds = unit_rows(blocks.votes.astype(np.float64)), blocks.odds[BAGGED].astype(np.float64)
    parts = [blocks.evidence[name] * BLOCK_WEIGHTS[name] for name in ("numeric", "cyclic", "category", "text")]
    plain = unit_rows(np.hstack(parts).astype(np.float64))
    vectors = encoder.encode(others, embedder.embed)
    learned = 0.75 * votes @ votes.T + 0.25 * odds @ odds.T
    np.testing.assert_allclose(vectors @ vectors.T, 0.7 * learned + 0.3 * plain @ plain.T, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_the_share_is_the_evidence_s_part_of_the_length(
    encoder: Encoder, others: pa.Table, embedder: Any, share: float
) -> None:
    vectors = join(encoder.blocks(others, embedder.embed), Mixture(share, 0.25))
    np.testing.assert_allclose((vectors[:, encoder.vote_dimensions :] ** 2).sum(axis=1), share, atol=1e-6)


def test_one_payment_has_the_vector_that_it_has_among_many(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    many = encoder.encode(others, embedder.embed)
    for row in (0, 99, 199):
        alone = encoder.encode(others.slice(row, 1), embedder.embed)[0]
        np.testing.assert_allclose(alone, many[row], atol=1e-6)
        np.testing.assert_array_equal(alone[: encoder.vote_dimensions] != 0, many[row, : encoder.vote_dimensions] != 0)


def test_no_payments_are_no_vectors(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    assert encoder.encode(others.slice(0, 0), embedder.embed).shape == (0, encoder.dimensions)


@settings(deadline=None, max_examples=examples(12))
@given(
    amount=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    category=st.one_of(st.none(), st.text()),
    merchant=st.one_of(st.none(), st.text()),
)
def test_any_payment_at_all_has_a_vector(
    encoder: Encoder, others: pa.Table, embedder: Any, amount: float | None, category: str | None, merchant: str | None
) -> None:
    row = others.slice(0, 1)
    for name, value in (("amount", amount), ("category", category), ("merchant_id", merchant)):
        position = row.column_names.index(name)
        row = row.set_column(position, name, pa.array([value], row.schema.field(name).type))
    vector = encoder.encode(row, embedder.embed)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_missing_columns_are_all_named(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    with pytest.raises(MissingEvidenceError, match=r"evidence is missing n1, hour_cos, category \(columns: .*amount"):
        encoder.encode(others.drop_columns(["hour_cos", "category", "n1"]), embedder.embed)


def test_columns_are_found_by_name_whatever_their_order(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    turned = others.select(others.column_names[::-1]).append_column("new", pa.nulls(200))
    np.testing.assert_array_equal(encoder.encode(turned, embedder.embed), encoder.encode(others, embedder.embed))


@pytest.mark.slow
def test_too_many_dimensions_are_refused(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence(numbers=400)
    with pytest.raises(TrainingError, match=r"would have 585 dimensions, 512 is the most"):
        Encoder.fit(table, labels, schema_of(400), embed=embedder.embed, seed=0)


def test_nothing_to_encode_is_refused(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence()
    with pytest.raises(TrainingError, match="no usable evidence"):
        Encoder.fit(table, labels, EvidenceSchema(()), embed=embedder.embed, seed=0)


@pytest.mark.parametrize("frauds", [0, MIN_FRAUDS_FOR_VOTES - 1])
def test_too_few_frauds_make_a_vector_of_evidence_alone(evidence: Maker, embedder: Any, frauds: int) -> None:
    table, _ = evidence()
    labels = (np.arange(table.num_rows) < frauds).astype(np.int8)
    encoder = Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, mixture=Mixture(0.3, 0.25))
    assert (encoder.votes, encoder.odds, encoder.vote_dimensions, encoder.mixture) == (None, {}, 0, ALL_EVIDENCE)
    vectors = encoder.encode(table, embedder.embed)
    assert vectors.shape == (600, 4 + 4 + 5 + 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_without_a_share_of_odds_there_are_no_odds(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence()
    encoder = Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, mixture=Mixture(0.3, 0.0), trees=4)
    assert (encoder.odds, encoder.vote_dimensions) == ({}, 8)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(table, embedder.embed), axis=1), 1, atol=1e-6)


def test_the_mixture_says_whose_odds_are_in_a_vector(evidence: Maker, others: pa.Table, embedder: Any) -> None:
    encoder = Encoder.fit(
        *evidence(), schema_of(), embed=embedder.embed, seed=0, mixture=Mixture(0.3, 0.5, VARIED), trees=4, rounds=8,
        machines=[BAGGED, VARIED],
    )  # fmt: skip
    blocks = encoder.blocks(others, embedder.embed)
    assert blocks.odds.keys() == {BAGGED, VARIED}
    assert encoder.dimensions == join(blocks, encoder.mixture).shape[1] == encoder.vote_dimensions + 45
    for machines in (BAGGED, VARIED):
        odds = join(blocks, Mixture(0.3, 0.5, machines))[:, 8 : encoder.vote_dimensions]
        np.testing.assert_allclose(odds, blocks.odds[machines] * np.sqrt(0.7 * 0.5), atol=1e-6)


def test_a_label_is_in_the_odds_of_a_reference_and_nowhere_else(
    encoder: Encoder, others: pa.Table, embedder: Any
) -> None:
    labels = (np.arange(200) % 2).astype(np.int8)
    asked, kept = encoder.encode(others, embedder.embed), encoder.encode(others, embedder.embed, labels)
    differs = np.abs(asked - kept).max(axis=0) > 1e-6
    assert differs[128:143].all()
    assert not differs[:128].any()
    assert not differs[143:].any()


def test_only_the_chosen_machines_stay(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence()
    mixture = Mixture(0.3, 0.5, VARIED)
    encoder = Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, mixture=mixture, trees=4, rounds=8)
    assert encoder.odds.keys() == {VARIED}


def test_blocks_carry_how_strange_each_row_is(encoder: Encoder, others: pa.Table, embedder: Any) -> None:
    blocks = encoder.blocks(others, embedder.embed)
    np.testing.assert_array_equal(blocks.distance, encoder.strangeness.distance(encoder.forest_input(others)))
    np.testing.assert_array_equal(
        blocks.take(np.array([7, 3])).distance, encoder.strangeness.distance(encoder.forest_input(others))[[7, 3]]
    )


@pytest.mark.parametrize("name", ["votes", "odds", "numeric", "text"])
def test_a_silenced_block_is_in_no_vector(encoder: Encoder, others: pa.Table, embedder: Any, name: str) -> None:
    blocks = encoder.blocks(others, embedder.embed).without(name)
    parts = {"votes": blocks.votes, "odds": blocks.odds[BAGGED], **blocks.evidence}
    assert [part for part, values in parts.items() if not values.any()] == [name]


def test_without_text_no_text_is_encoded(evidence: Maker) -> None:
    def never(texts: Any) -> Any:
        raise AssertionError(texts)

    table, labels = evidence()
    encoder = Encoder.fit(table, labels, EvidenceSchema(("amount", "n0")), embed=never, seed=0)
    assert encoder.encode(table, never).shape == (600, 128 + 15 + 2 + 4)


def test_what_is_strange_is_measured_by_good_payments_alone(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence()
    encoder = Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, trees=4)
    good = encoder.forest_input(table)[labels == 0]
    np.testing.assert_array_equal(
        encoder.strangeness.distance(encoder.forest_input(table)),
        Strangeness.fit(good).distance(encoder.forest_input(table)),
    )


def test_any_number_of_workers_makes_the_same_vectors(evidence: Maker, embedder: Any, others: pa.Table) -> None:
    table, labels = evidence()
    alone, several = (
        Encoder.fit(table, labels, schema_of(), embed=embedder.embed, seed=0, trees=8, rounds=8, workers=workers)
        for workers in (1, 3)
    )
    np.testing.assert_array_equal(alone.encode(others, embedder.embed), several.encode(others, embedder.embed))


def test_trees_grow_while_texts_are_encoded(evidence: Maker, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    growing, grow = threading.Event(), BinnedEvidence.grow

    def begun(*given: Any, **settings: Any) -> Any:
        growing.set()
        return grow(*given, **settings)

    def embed(texts: Any) -> Any:
        assert growing.wait(30), "no tree grew before the texts were encoded"
        return embedder.embed(texts)

    monkeypatch.setattr(BinnedEvidence, "grow", begun)
    Encoder.fit(*evidence(), schema_of(), embed=embed, seed=0, trees=4, rounds=8, workers=2)


@pytest.mark.usefixtures("encoder")  # all loops are compiled then
def test_where_texts_cannot_be_encoded_no_more_trees_grow(evidence: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[Any] = []

    def grow(*given: Any, **_: Any) -> Any:
        grown.append(given)
        time.sleep(0.5)

    monkeypatch.setattr(BinnedEvidence, "grow", grow)

    def fails(_: Any) -> Any:
        raise NotFoundError("no text encoder")

    with pytest.raises(NotFoundError, match="no text encoder"):
        Encoder.fit(*evidence(), schema_of(), embed=fails, seed=0, trees=4, rounds=8, workers=1)
    assert len(grown) < 4  # all that there are
