"""Metrics held against scikit-learn, against cases worked by hand, and against their own laws."""

import json
import time

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

from counterfoil.domain.evaluation.alert_budget import LookedAt, alerted
from counterfoil.domain.evaluation.card_precision import CardsLookedAt, card_days
from counterfoil.domain.evaluation.evaluation import Measures, evaluate
from counterfoil.domain.evaluation.intervals import account_numbers, bootstrap
from counterfoil.domain.evaluation.ranking import Ranking, area_under_curve, average_precision, recall_at_fpr
from counterfoil.domain.evaluation.reliability import expected_calibration_error, reliability_bins
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.errors import UsageError

DAY_ONE = np.datetime64("2024-03-01T00:00:00", "us")


def scored(rows=3000, accounts=60, seed=0, prevalence=0.05):
    """Label, score with many ties, account and time of a made-up month in which frauds cluster by account."""
    rng = np.random.default_rng(seed)
    number = rng.integers(accounts, size=rows)
    risk = rng.gamma(0.3, size=accounts)[number]
    label = (rng.random(rows) < np.clip(prevalence * risk / risk.mean(), 0, 0.9)).astype(np.int8)
    score = np.round(np.clip(rng.beta(1, 6, rows) + label * rng.random(rows) * 0.6, 0, 1), 2)
    event_time = DAY_ONE + np.sort(rng.integers(0, 30 * 86_400, rows)).astype("timedelta64[s]")
    return label, score, np.array([f"a{one:03d}" for one in number], dtype=object), event_time


@st.composite
def weighted_rows(draw):
    """A few rows of label, tied score and whole weight with both labels present and weighted."""
    size = draw(st.integers(2, 40))
    label = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    score = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    weight = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    return (
        np.array([0, 1, *label], dtype=np.int8),
        np.array([1, 2, *score]) / 8,
        np.array([1.0, 2.0, *weight]),
    )


class TestRanking:
    @pytest.mark.slow
    @given(weighted_rows())
    def test_weighted_auc_and_average_precision_are_those_of_scikit_learn(self, rows):
        label, score, weight = rows
        curve = Ranking.of(label, score).curve(weight)
        assert area_under_curve(curve) == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
        expected = average_precision_score(label, score, sample_weight=weight)
        assert average_precision(curve) == pytest.approx(expected)

    @pytest.mark.slow
    @given(weighted_rows())
    def test_a_weight_is_a_number_of_copies(self, rows):
        label, score, weight = rows
        copies = weight.astype(int)
        curve = Ranking.of(label, score).curve(weight)
        copied = Ranking.of(np.repeat(label, copies), np.repeat(score, copies)).curve()
        for measure in (area_under_curve, average_precision, lambda one: recall_at_fpr(one, 0.2)):
            assert measure(curve) == pytest.approx(measure(copied))

    @pytest.mark.slow
    @given(weighted_rows(), st.sampled_from([0.0, 0.01, 0.1, 0.25, 1.0]))
    def test_recall_at_fpr_is_the_best_allowed_point_of_the_roc_curve(self, rows, allowed):
        label, score, weight = rows
        fpr, tpr, _ = roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
        curve = Ranking.of(label, score).curve(weight)
        assert recall_at_fpr(curve, allowed) == pytest.approx(tpr[fpr <= allowed + 1e-12].max())

    def test_recall_at_fpr_takes_a_tie_whole_or_not_at_all(self):
        label = np.array([1, 1, 0, 1] + [0] * 99, dtype=np.int8)
        score = np.array([0.9, 0.8, 0.8, 0.7] + [0.1] * 99)
        curve = Ranking.of(label, score).curve()
        assert recall_at_fpr(curve, 0.01) == 1.0  # one of 100 good payments is allowed
        assert recall_at_fpr(curve, 0.009) == pytest.approx(1 / 3)


def recall_and_precision(label, score, day, budget):
    looked = LookedAt.of(label, score, np.arange(label.size), label.size, day, budget)
    once = np.ones((1, label.size), dtype=np.int64)
    return looked.recall(once)[0], looked.precision(once)[0]


class TestAlertBudget:
    def test_each_day_has_its_own_budget(self):
        label = np.array([1, 0, 1, 0, 1], dtype=np.int8)
        score = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
        day = np.array(["2024-03-01"] * 3 + ["2024-03-02"] * 2, dtype="datetime64[D]")
        recall, precision = recall_and_precision(label, score, day, 2)
        assert recall == pytest.approx(2 / 3)  # .9 of the first day, .1 of the second; .7 is third of its day
        assert precision == pytest.approx(2 / 4)

    def test_a_tie_shares_what_is_left_of_the_budget(self):
        label = np.array([0, 1, 1, 0, 0], dtype=np.int8)
        score = np.array([0.9, 0.5, 0.5, 0.5, 0.5])
        day = np.full(5, np.datetime64("2024-03-01"))
        recall, precision = recall_and_precision(label, score, day, 3)
        assert recall == pytest.approx(0.5)  # two places for four tied rows, half of them frauds
        assert precision == pytest.approx(1 / 3)

    @given(weighted_rows(), st.integers(1, 12))
    def test_as_much_is_looked_at_as_fits_and_nothing_below_what_is_left_out(self, rows, budget):
        label, score, _ = rows
        day = np.datetime64("2024-03-01") + np.arange(label.size) % 3
        share = alerted(score, day, budget)
        for one in np.unique(day):
            on_it = day == one
            assert share[on_it].sum() == pytest.approx(min(budget, on_it.sum()))
            for value in np.unique(score[on_it]):
                if (share[on_it & (score == value)] > 0).any():
                    assert (share[on_it & (score > value)] == 1).all()
                assert np.unique(share[on_it & (score == value)]).size == 1


class TestCardPrecision:
    # Day 1: x has its fraud under its second highest score; day 2: x is gone, so z comes into the top two.
    LABEL = np.array([0, 1, 0, 1, 1, 0, 1, 0], dtype=np.int8)
    SCORE = np.array([0.9, 0.3, 0.8, 0.2, 0.95, 0.7, 0.6, 0.1])
    CARD = np.array(["x", "x", "y", "z", "x", "y", "z", "w"], dtype=object)
    DAY = np.array(["2024-03-01"] * 4 + ["2024-03-02"] * 4, dtype="datetime64[D]")

    def days(self):
        return card_days(self.LABEL, self.SCORE, account_numbers(self.CARD, 8), self.DAY)

    def test_worked_example_with_removal_of_detected_cards(self):
        # Day 1: x .9 (fraud), y .8 (good) -> 1/2. Day 2: without x: y .7 (good), z .6 (fraud) -> 1/2.
        assert CardsLookedAt.of(self.days(), 4, 2).by_day.tolist() == [0.5, 0.5]
        # With one place: day 1 x -> 1; day 2 y, since x has left -> 0 (with x it would have been 1).
        one_place = CardsLookedAt.of(self.days(), 4, 1)
        assert one_place.by_day.tolist() == [1.0, 0.0]
        assert one_place.precision(np.ones((1, 4), dtype=np.int64)).tolist() == [0.5]

    def test_a_fraud_that_was_not_among_the_top_cards_leaves_its_card_in(self):
        label = np.array([0, 1, 1], dtype=np.int8)
        score = np.array([0.9, 0.8, 0.7])
        day = np.array(["2024-03-01", "2024-03-01", "2024-03-02"], dtype="datetime64[D]")
        days = card_days(label, score, np.array([0, 1, 1]), day)
        assert CardsLookedAt.of(days, 2, 1).by_day.tolist() == [0.0, 1.0]

    def test_the_share_is_of_k_even_if_fewer_cards_paid(self):
        found = CardsLookedAt.of(self.days(), 4, 10)
        assert found.by_day.tolist() == [0.2, 0.0]
        assert found.precision(np.ones((1, 4), dtype=np.int64)) == pytest.approx([0.1])

    def test_a_draw_counts_what_was_looked_at_as_often_as_its_card_was_drawn(self):
        found = CardsLookedAt.of(self.days(), 4, 2)  # x caught, y looked at twice, z caught; all four places used
        w, x, y, z = (account_numbers(self.CARD, 8)[np.flatnonzero(name == self.CARD)[0]] for name in "wxyz")
        copies = np.zeros((3, 4), dtype=np.int64)
        copies[0, [x, y, z]] = 2, 1, 1
        copies[1, [y]] = 3
        copies[2, [w]] = 4  # nobody looked at it
        assert found.precision(copies)[:2] == pytest.approx([3 / 5, 0.0])
        assert np.isnan(found.precision(copies)[2])

    def test_a_naive_loop_finds_the_same(self):
        label, score, account, event_time = scored(seed=3)
        found = evaluate(Scored(label, score, account, event_time), top_k=5, draws=0).card_precision_by_day
        assert found == pytest.approx(naive_card_precision(label, score, account, event_time, 5))


def naive_card_precision(label, score, account, event_time, top_k):
    """The definition, written as slowly and plainly as it can be."""
    gone, values = set(), {}
    day = event_time.astype("datetime64[D]")
    for one in np.unique(day):
        best, defrauded = {}, set()
        for row in np.flatnonzero(day == one):
            if account[row] in gone:
                continue
            best[account[row]] = max(best.get(account[row], -1), score[row])
            if label[row]:
                defrauded.add(account[row])
        top = sorted(best, key=lambda card: (-best[card], card))[:top_k]
        caught = defrauded & set(top)
        gone |= caught
        values[str(one)] = len(caught) / top_k
    return values


class TestReliability:
    def test_brier_and_skill_by_hand(self):
        label = np.array([1, 0, 0, 0], dtype=np.int8)
        score = np.array([0.8, 0.4, 0.0, 0.0])
        found = evaluate(Scored(label, score, None, DAY_ONE + np.arange(4)), draws=0).metrics
        assert found["brier"] == pytest.approx((0.04 + 0.16) / 4)
        assert found["brier_skill"] == pytest.approx(1 - 0.05 / (0.25 * 0.75))
        assert found["brier"] == pytest.approx(brier_score_loss(label, score))

    def test_always_predicting_the_prevalence_has_no_skill_and_no_calibration_error(self):
        label, _, account, event_time = scored()
        constant = np.full(label.size, label.mean())
        found = evaluate(Scored(label, constant, account, event_time), draws=0)
        assert found.metrics["brier_skill"] == pytest.approx(0)
        assert found.metrics["calibration_error"] == pytest.approx(0)
        assert [one.count for one in found.calibration_bins] == [label.size]

    def test_bins_and_calibration_error_by_hand(self):
        label = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
        score = np.array([0.1, 0.1, 0.2, 0.6, 0.7, 0.8])
        bins = reliability_bins(label, score, bins=2)
        assert [one.count for one in bins] == [3, 3]
        assert [one.mean_predicted for one in bins] == pytest.approx([0.4 / 3, 0.7])
        assert [one.observed_rate for one in bins] == [0.0, 1.0]
        assert expected_calibration_error(bins) == pytest.approx((0.4 / 3 + 0.3) / 2)

    @pytest.mark.slow
    @given(weighted_rows(), st.integers(1, 12))
    def test_equal_scores_share_a_bin_and_no_row_is_lost(self, rows, number):
        label, score, _ = rows
        bins = reliability_bins(label, score, bins=number)
        assert sum(one.count for one in bins) == label.size
        assert len(bins) <= number
        means = [one.mean_predicted for one in bins]
        assert means == sorted(means)
        total = sum(one.count * one.mean_predicted for one in bins)
        assert total == pytest.approx(score.sum())
        # Were a tie split, two bins would touch: the bins' sizes could not all be sums of tie sizes.
        sizes = np.cumsum(np.unique(score, return_counts=True)[1])
        assert set(np.cumsum([one.count for one in bins])) <= set(sizes.tolist())

    def test_scores_that_are_no_probabilities_have_no_calibration(self):
        label, score, account, event_time = scored()
        found = evaluate(Scored(label, score * 3 - 1, account, event_time), draws=20)
        assert found.metrics["brier"] is None
        assert found.metrics["brier_skill"] is None
        assert found.metrics["calibration_error"] is None
        assert found.metrics["auc"] > 0.5
        assert "brier" not in found.intervals


class TestIntervals:
    def test_they_cover_the_point_estimate_and_are_the_same_for_the_same_seed(self):
        columns = scored()
        found = evaluate(Scored(*columns), alerts_per_day=5, top_k=3, draws=200, seed=4)
        assert set(found.intervals) == set(found.metrics) - {"calibration_error"}
        for name, (low, high) in found.intervals.items():
            assert low < high, name
            assert low <= found.metrics[name] <= high, name
        assert evaluate(Scored(*columns), alerts_per_day=5, top_k=3, draws=200, seed=4) == found
        other = evaluate(Scored(*columns), alerts_per_day=5, top_k=3, draws=200, seed=5)
        assert other.intervals != found.intervals
        assert other.metrics == found.metrics

    def test_days_of_one_card_are_in_every_draw(self):
        """.0053 was seen beside an interval of .006 to .009: days of cards that were not drawn had been left out."""
        account = np.array([f"a{n % 120}" for n in range(240)], dtype=object)
        label = (np.arange(240) % 120 < 60).astype(np.int8)
        event_time = DAY_ONE + np.arange(240) * np.timedelta64(86_400, "s")
        found = evaluate(Scored(label, label * 0.5 + 0.2, account, event_time), draws=200)
        assert found.metrics["card_precision"] == pytest.approx(60 / (100 * 240))
        low, high = found.intervals["card_precision"]
        assert low < found.metrics["card_precision"] < high

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10_000), rows=st.integers(200, 1500), accounts=st.integers(20, 200), k=st.integers(1, 150),
        prevalence=st.sampled_from([0.1, 0.4]), worth=st.floats(0, 1), decimals=st.integers(1, 6),
        days=st.sampled_from([3, 30, 400]),
    )  # fmt: skip
    def test_they_hold_their_estimate(self, seed, rows, accounts, k, prevalence, worth, decimals, days):
        label, _, account, event_time = scored(rows, accounts, seed, prevalence)
        event_time = DAY_ONE + (event_time - DAY_ONE) * days // 30
        rng = np.random.default_rng(seed)
        score = np.round(np.clip(rng.random(rows) * (1 - worth) + worth * label * rng.random(rows), 0, 1), decimals)
        found = evaluate(Scored(label, score, account, event_time), alerts_per_day=k, top_k=k, draws=100, seed=seed)
        for name in ("alert_recall", "alert_precision", "card_precision"):
            if name in found.intervals:
                low, high = found.intervals[name]
                assert low - 1e-12 <= found.metrics[name] <= high + 1e-12, name

    def test_fewer_accounts_widen_them(self):
        label, score, _, event_time = scored(seed=1)
        rng = np.random.default_rng(0)
        order = np.lexsort((score, label))
        widths = []
        for accounts in (250, 2000):
            # Neighbours in score and label share an account, so an account is all good or all bad news.
            account = np.empty(label.size, dtype=object)
            account[order] = [f"a{place * accounts // label.size}" for place in range(label.size)]
            scored_rows = Scored(label, score, account, event_time)
            low, high = evaluate(scored_rows, draws=200, seed=int(rng.integers(9))).intervals["average_precision"]
            widths.append(high - low)
        assert widths[0] > 2 * widths[1]

    def test_a_draw_is_the_table_with_its_accounts_repeated(self):
        label, score, account, _ = scored(rows=400, accounts=12, seed=2, prevalence=0.2)
        number = account_numbers(account, label.size)
        seen = []
        bootstrap(lambda copies: seen.append(copies) or {}, label, number, draws=30, seed=8)
        copies = np.concatenate(seen)[3]
        assert copies.sum() == 12
        rows = np.repeat(np.arange(label.size), copies[number])
        curve = Ranking.of(label, score).curve(copies[number].astype(float))
        assert average_precision(curve) == pytest.approx(average_precision_score(label[rows], score[rows]))

    def test_draws_without_frauds_are_skipped_and_counted(self):
        label = np.array([1, 0, 0, 0, 0], dtype=np.int8)
        account = np.array(["a", "b", "c", "d", "e"], dtype=object)
        columns = (label, np.linspace(1, 0, 5), account, DAY_ONE + np.arange(5))
        assert evaluate(Scored(*columns), draws=400, seed=0).intervals == {}  # of one account with frauds
        measures = Measures.of(Scored(*columns), alerts_per_day=1, top_k=1)
        found = bootstrap(measures.figures, label, measures.account, draws=400, seed=0)
        # Account a is left out of a draw with probability .8 ** 5 = .33; all five draws are a with .0003.
        assert 90 <= found.skipped <= 175
        assert found.bounds["auc"] == (1.0, 1.0)

    def test_a_missing_account_is_an_account_of_its_own(self):
        numbers = account_numbers(np.array(["b", None, "a", None, "b", float("nan")], dtype=object), 6)
        assert numbers.tolist() == [1, 2, 0, 3, 1, 4]
        assert account_numbers(None, 3).tolist() == [0, 1, 2]

    @pytest.mark.slow
    @pytest.mark.parametrize("accounts", [300, 5000])
    def test_eighty_thousand_rows_take_seconds(self, accounts):
        columns = scored(rows=80_000, accounts=accounts, prevalence=0.006)
        began = time.process_time()
        evaluate(Scored(*columns), draws=100)
        assert time.process_time() - began < 10


class TestEvaluate:
    @settings(max_examples=examples(15))
    @given(st.integers(0, 10_000), st.sampled_from(["cube", "logit", "rank", "line"]))
    def test_ranking_metrics_do_not_change_with_a_rising_transform(self, seed, transform):
        label, score, account, event_time = scored(rows=200, accounts=15, seed=seed, prevalence=0.2)
        rising = {
            "cube": score**3,
            "logit": np.log((score + 0.01) / (1.01 - score)),
            "rank": np.unique(score, return_inverse=True)[1].astype(float),
            "line": score * 1000 - 7,
        }[transform]
        plain = evaluate(Scored(label, score, account, event_time), alerts_per_day=3, top_k=2, draws=5)
        moved = evaluate(Scored(label, rising, account, event_time), alerts_per_day=3, top_k=2, draws=5)
        for name in plain.metrics:
            if "brier" not in name and name != "calibration_error":
                assert moved.metrics[name] == plain.metrics[name]
                assert moved.intervals.get(name) == plain.intervals.get(name)
        assert moved.card_precision_by_day == plain.card_precision_by_day

    @settings(max_examples=examples(15))
    @given(st.integers(0, 10_000))
    def test_the_order_of_the_rows_does_not_matter(self, seed):
        columns = scored(rows=200, accounts=15, seed=seed, prevalence=0.2)
        shuffle = np.random.default_rng(seed).permutation(200)
        plain = evaluate(Scored(*columns), alerts_per_day=3, top_k=2, draws=0).metrics
        moved = evaluate(Scored(*(column[shuffle] for column in columns)), alerts_per_day=3, top_k=2, draws=0).metrics
        assert moved == pytest.approx(plain)

    def test_without_frauds_or_without_goods_there_is_nothing_to_rank(self):
        event_time = DAY_ONE + np.arange(4)
        for value in (0, 1):
            label = np.full(4, value, dtype=np.int8)
            found = evaluate(Scored(label, np.linspace(0, 1, 4), None, event_time))
            for name in ("auc", "average_precision", "recall_at_1pct_fpr", "brier_skill"):
                assert found.metrics[name] is None
            assert found.metrics["alert_precision"] == value
            assert found.intervals == {}

    def test_no_rows_at_all(self):
        none = np.empty(0)
        found = evaluate(Scored(none.astype(np.int8), none, None, none.astype("datetime64[us]")))
        assert found.rows == 0
        assert set(found.metrics.values()) == {None}

    def test_it_can_be_written_as_json(self):
        found = evaluate(Scored(*scored()), draws=10)
        read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert read["rows"] == 3000
        assert read["accounts"] == 60
        assert read["intervals"]["auc"] == list(found.intervals["auc"])
        assert read["calibration_bins"][0].keys() == {"mean_predicted", "observed_rate", "count"}
        assert len(read["card_precision_by_day"]) == 30

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"score": np.array([0.1])}, "differ in length"),
            ({"label": np.array([0, 1, -1], dtype=np.int8)}, "unknown label"),
            ({"score": np.array([0.1, np.nan, np.inf])}, "2 scores"),
            ({"top_k": 0}, "at least 1"),
            ({"alerts_per_day": 0}, "at least 1"),
        ],
    )
    def test_senseless_input_is_refused(self, change, message):
        call = {
            "label": np.array([0, 1, 0], dtype=np.int8),
            "score": np.array([0.1, 0.2, 0.3]),
            "account": None,
            "event_time": DAY_ONE + np.arange(3),
        }
        columns = {name: change.get(name, column) for name, column in call.items()}
        budgets = {name: value for name, value in change.items() if name not in columns}
        with pytest.raises(UsageError, match=message):
            evaluate(Scored(**columns), **budgets)
