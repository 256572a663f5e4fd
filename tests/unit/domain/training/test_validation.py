"""Validation: blocks honour the labels' delay, and what is best on them is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.arrays import unit_rows
from counterfoil.domain.encoding.encoder import Blocks, Encoder, Mixture
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.encoding.odds import BAGGED, MACHINES, VARIED, lit
from counterfoil.domain.schemas import TIMESTAMP
from counterfoil.domain.training import validation
from counterfoil.domain.training.doubt import Ranked, lead
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.training import Fitted
from counterfoil.domain.training.validation import (
    FRAUDS_TO_CHOOSE_BY,
    IGNORED_DELAY,
    Choice,
    Fold,
    ablate,
    calibrate,
    choose,
    fold_of,
    mixtures,
    time_splits,
)

DAY_US = 86_400_000_000
Maker = Callable[..., tuple[pa.Table, np.ndarray]]
Fit = Callable[..., Fitted]


def microseconds(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).cast(pa.int64()).to_numpy()


class TestTimeSplits:
    @settings(deadline=None, max_examples=examples(20))
    @given(
        days=st.integers(1, 90), delay=st.floats(0.01, 14), seed=st.integers(0, 50),
        starts=st.sampled_from([(0.6, 0.8, 1.0), (0.3, 0.5, 0.7, 1.0), (0.5, 1.0)]),
    )  # fmt: skip
    def test_nothing_is_fitted_on_that_was_not_known_when_its_block_began(
        self, evidence: Maker, days: int, delay: float, seed: int, starts: tuple[float, ...]
    ) -> None:
        table, labels = evidence(rows=200, seed=seed, days=days, delay_days=delay)
        splits, notes = time_splits(table, labels, starts)
        times, known = microseconds(table, "event_time"), microseconds(table, "known_at")
        for fit, validate in splits:
            assert times[fit].max() < times[validate].min()
            if not notes:
                assert known[fit].max() <= times[validate].min()
            assert set(labels[fit]) == set(labels[validate]) == {0, 1}
        blocks = np.sum([validate for _, validate in splits], axis=0)
        assert np.max(blocks, initial=0) <= 1

    def test_a_long_window_waits_for_its_labels(self, evidence: Maker) -> None:
        table, labels = evidence()
        splits, notes = time_splits(table, labels, (0.6, 0.8, 1.0))
        assert (len(splits), notes) == (2, ())
        newest = max(times[fit].max() for times in [microseconds(table, "event_time")] for fit, _ in splits[:1])
        first = min(microseconds(table, "event_time")[splits[0][1]])
        assert first - newest > 6.9 * DAY_US
        assert sum(validate.sum() for _, validate in splits) == pytest.approx(0.4 * 600, abs=2)

    def test_a_short_window_does_not_wait_and_says_so(self, evidence: Maker) -> None:
        table, labels = evidence(days=8)
        splits, notes = time_splits(table, labels, (0.6, 0.8, 1.0))
        assert len(splits) == 2
        assert notes == (IGNORED_DELAY,)

    def test_frauds_that_are_known_late_count_as_a_short_window_too(self, evidence: Maker) -> None:
        table, labels = evidence()
        late = microseconds(table, "event_time") + np.where(labels == 1, 50, 7) * DAY_US
        table = table.set_column(table.column_names.index("known_at"), "known_at", pa.array(late).cast(TIMESTAMP))
        assert time_splits(table, labels, (0.6, 0.8, 1.0))[1]

    @pytest.mark.parametrize("label", [0, 1])
    def test_labels_of_one_kind_leave_no_splits(self, evidence: Maker, label: int) -> None:
        table, labels = evidence()
        assert time_splits(table, np.full_like(labels, label), (0.6, 0.8, 1.0))[0] == []


def test_a_fold_s_references_know_their_labels_and_what_is_judged_does_not(
    evidence: Maker, embedder: Any, schema: EvidenceSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, labels = evidence()
    given: list[np.ndarray | None] = []
    blocks = Encoder.blocks

    def noting(encoder: Encoder, rows: pa.Table, embed: Any, known: np.ndarray | None = None) -> Blocks:
        given.append(known)
        return blocks(encoder, rows, embed, known)

    monkeypatch.setattr(Encoder, "blocks", noting)
    (split, *_), _ = time_splits(table, labels, (0.6, 0.8, 1.0))
    options = replace(OPTIONS, trees=4, rounds=8)
    fold = fold_of(table, np.ones(len(labels)), split, schema, embedder.embed, options)
    references, judged = given
    assert judged is None
    np.testing.assert_array_equal(references, fold.fit_labels)
    assert set(fold.fit_labels) == {0, 1}
    assert fold.blocks.odds.keys() == {BAGGED, VARIED}


def blocks_of(labels: np.ndarray, telling: str, seed: int) -> Blocks:
    """Blocks of which one tells frauds, and the others are noise."""
    rng = np.random.default_rng(seed)
    rows = len(labels)
    noise = 4 * rng.normal(size=rows)
    said = np.where(labels == 1, 2.0, -2.0) + rng.normal(size=rows)
    votes = rng.normal(size=(rows, 8)) + (said[:, None] if telling == "votes" else 0)
    odds = {name: lit(said if telling == name else noise) for name in MACHINES}
    evidence = rng.normal(size=(rows, 4)) + (said[:, None] if telling == "numeric" else 0)
    parts = {"numeric": evidence.astype(np.float32), "cyclic": np.zeros((rows, 0), np.float32)}
    return Blocks(unit_rows(votes.astype(np.float32)), odds, parts, rng.normal(size=rows) ** 2)


def fold_where(telling: str, seed: int = 0) -> Fold:
    labels = (np.arange(600) % 10 == 0).astype(np.int8)
    return Fold(
        blocks_of(labels, telling, seed),
        labels,
        blocks_of(labels, telling, seed + 1),
        labels,
        np.ones(600),
        np.arange(600),
    )


OPTIONS = TrainingOptions(good_references=(50, 200), judged_good=100, shares=(0.1, 0.8), odds=(0.25, 0.0, 0.75))


class TestChoose:
    @pytest.mark.parametrize(
        ("telling", "expected"),
        [
            ("votes", Mixture(0.1, 0.0, VARIED)),
            (BAGGED, Mixture(0.1, 0.75, BAGGED)),
            (VARIED, Mixture(0.1, 0.75, VARIED)),
            ("numeric", Mixture(0.8, 0.25)),
        ],
    )
    def test_the_part_that_tells_frauds_gets_its_weight(self, telling: str, expected: Mixture) -> None:
        choice = choose([fold_where(telling, seed) for seed in (0, 10)], OPTIONS)
        assert choice.mixture.evidence == expected.evidence
        if telling != "numeric":
            assert choice.mixture == expected
        assert choice.precision is not None
        assert choice.precision > 0.6

    def test_without_folds_the_first_of_each_is_taken(self) -> None:
        assert choose([], OPTIONS) == Choice(Mixture(0.1, 0.25, VARIED), 20, 200)

    def test_few_frauds_choose_no_mixture(self) -> None:
        fold = fold_where("numeric")
        frauds = np.flatnonzero(fold.labels == 1)
        few = np.setdiff1d(np.arange(len(fold.labels)), frauds[FRAUDS_TO_CHOOSE_BY - 1 :])
        fewer = replace(
            fold,
            blocks=fold.blocks.take(few),
            labels=fold.labels[few],
            weights=fold.weights[few],
            accounts=fold.accounts[few],
        )
        assert choose([fold], OPTIONS).mixture.evidence == 0.8
        assert choose([fewer], OPTIONS).mixture == Mixture(0.1, 0.25, VARIED)

    def test_a_mixture_that_leads_by_chance_only_is_not_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = []

        def noting(ranked: Sequence[Ranked], seed: int) -> tuple[float, float]:
            found.append(lead(ranked, seed))
            return found[-1]

        monkeypatch.setattr(validation, "lead", noting)
        assert choose([fold_where(VARIED)], OPTIONS).mixture == Mixture(0.1, 0.75, VARIED)
        two = replace(OPTIONS, machines=(VARIED,), shares=(0.1,), odds=(0.25, 0.75))
        for options in (two, replace(two, odds=(0.75, 0.25))):
            assert choose([fold_where("nothing")], options).mixture == Mixture(0.1, options.odds[0], VARIED)
        (clear, its_error), (chance, error) = found
        assert clear > its_error > 0
        assert 0 < chance <= error

    def test_machines_are_no_choice_where_odds_have_no_share(self) -> None:
        assert mixtures(replace(OPTIONS, shares=(0.1,), odds=(0.0, 0.5))) == [
            Mixture(0.1, 0.0, VARIED),
            Mixture(0.1, 0.5, VARIED),
            Mixture(0.1, 0.5, BAGGED),
        ]

    def test_the_number_of_neighbours_is_chosen_too(self) -> None:
        several = choose([fold_where("votes")], replace(OPTIONS, neighbours=(1, 30)))
        assert several.neighbours == 30


def test_without_folds_there_is_nothing_to_calibrate_or_to_silence() -> None:
    choice = choose([], OPTIONS)
    assert calibrate([], choice, OPTIONS)[0] is None
    assert ablate([], choice, OPTIONS) == {}


def test_silencing_what_tells_frauds_costs_most() -> None:
    folds = [fold_where("votes")]
    found = ablate(folds, choose(folds, OPTIONS), OPTIONS)
    assert found.keys() == {"votes", "odds", "numeric"}
    assert found["votes"] < 0.3 < 0.6 < min(found["odds"], found["numeric"])


@pytest.mark.parametrize(("share", "size"), [(0.0, 20), (1.5, 300)])
def test_the_fewest_are_kept_that_keep_the_precision(
    fit: Fit, evidence: Maker, monkeypatch: pytest.MonkeyPatch, share: float, size: int
) -> None:
    monkeypatch.setattr(validation, "KEPT", share)
    kept = fit(evidence()[0], good_references=(300, 20, 100)).references.column("label").to_numpy()
    assert (kept == 0).sum() == size
