"""The gate: a candidate passes only if every rule holds, and each rule is told with its figure."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.evaluation.candidate import (
    PAIRED_SCORES,
    CandidateFigures,
    ReleaseFigures,
    compare_with_champion,
)
from counterfoil.domain.evaluation.evaluation import Evaluation
from counterfoil.domain.evaluation.gate import GateRules, Verdict, judge_candidate, lowest_precision
from counterfoil.domain.evaluation.paired import Difference
from counterfoil.errors import UsageError


def evaluation(precision: float | None, auc: float | None = 0.95, frauds: int = 50, rows: int = 10_000) -> Evaluation:
    return Evaluation(
        rows=rows, frauds=frauds, accounts=100, alerts_per_day=100, top_k=100,
        metrics={"average_precision": precision, "auc": auc}, intervals={}, draws=0, skipped_draws=0,
        calibration_bins=(), card_precision_by_day={},
    )  # fmt: skip


def figures(
    ours: float | None = 0.71, theirs: float | None = 0.69, low: float | None = -0.004, **other: Any
) -> CandidateFigures:
    """A candidate with a champion; `low` is the lower bound of the lead."""
    value = None if ours is None or theirs is None else ours - theirs
    lead = Difference(value, low, None if low is None else low + 0.06)
    return CandidateFigures(
        "2024-03-01T00:00:00+00:00", None, ReleaseFigures("rnew", evaluation(ours, **other)),
        ReleaseFigures("rold", evaluation(theirs)), {"average_precision": lead},
    )  # fmt: skip


def alone(**other: Any) -> CandidateFigures:
    return replace(figures(**other), champion=None, differences={})


RATES = st.none() | st.floats(0, 1)
RULES = st.builds(
    GateRules, tolerance=st.floats(0, 1), min_auc=st.floats(0, 1), min_lift=st.floats(0, 200),
    min_frauds=st.integers(1, 100),
)  # fmt: skip


@given(
    ours=RATES, auc=RATES, frauds=st.integers(1, 100), low=st.none() | st.floats(-1, 1), rules=RULES,
    champion=st.booleans(),
)  # fmt: skip
def test_it_passes_if_and_only_if_every_rule_holds(
    ours: float | None, auc: float | None, frauds: int, low: float | None, rules: GateRules, champion: bool
) -> None:
    judged = figures(ours, low=low, auc=auc, frauds=frauds)
    if not champion:
        judged = replace(judged, champion=None, differences={})
    held = [
        frauds >= rules.min_frauds,
        auc is not None and auc >= rules.min_auc,
        ours is not None and ours >= lowest_precision(frauds / 10_000, rules.min_lift),
    ]
    held += [rules.tolerance >= 1 or (low is not None and low >= -rules.tolerance)] if champion else []
    verdict = judge_candidate(judged, rules)
    assert verdict.passed == all(held)
    assert [reason.endswith(": held") for reason in verdict.reasons] == held
    assert [reason.endswith(": not held") for reason in verdict.reasons] == [not one for one in held]
    assert all(verdict.summary.count(reason) for reason in verdict.reasons if reason.endswith("not held"))
    assert "\n" not in verdict.summary


@pytest.mark.parametrize(("low", "passed"), [(0.02, True), (0.0, True), (-0.01, True), (-0.0101, False), (None, False)])
def test_the_lower_bound_of_the_lead_decides_not_the_lead(low: float | None, passed: bool) -> None:
    assert judge_candidate(figures(low=low)).passed is passed
    # Ahead on the whole, but perhaps far behind.
    assert judge_candidate(figures(0.9, 0.5, low=low)).passed is passed


def test_the_floor_holds_with_a_champion_as_well() -> None:
    assert not judge_candidate(figures(auc=0.79)).passed
    assert not judge_candidate(figures(ours=0.02, theirs=0.01, low=0.005)).passed
    assert judge_candidate(figures(ours=0.03, theirs=0.02, low=0.005)).passed


def test_without_a_champion_the_floor_is_all() -> None:
    assert judge_candidate(alone()).passed
    assert len(judge_candidate(alone()).reasons) == 3
    assert not judge_candidate(alone(auc=0.79)).passed


@pytest.mark.parametrize(("frauds", "passed"), [(0, False), (19, False), (20, True)])
def test_too_few_frauds_always_fail(frauds: int, passed: bool) -> None:
    precision = 0.71 if frauds else None
    for judged in (alone(ours=precision, frauds=frauds), figures(precision, frauds=frauds)):
        verdict = judge_candidate(judged)
        assert verdict.passed is passed
        assert f"{frauds} frauds among 10,000 labelled payments, at least 20: " in verdict.reasons[0]


@given(share=st.floats(1e-6, 0.999), times=st.floats(0, 200))
def test_the_floor_is_so_many_times_the_odds_and_can_always_be_met(share: float, times: float) -> None:
    lowest = lowest_precision(share, times)
    assert 0 <= lowest < 1
    assert lowest / (1 - lowest) == pytest.approx(times * share / (1 - share), rel=1e-6)


def test_where_frauds_are_rare_the_floor_is_so_many_times_their_share() -> None:
    assert lowest_precision(0.001, 5) == pytest.approx(0.005, rel=0.01)


@pytest.mark.parametrize(("ours", "passed"), [(0.9, True), (0.77, True), (0.76, False), (None, False)])
def test_a_candidate_can_pass_where_frauds_are_many(ours: float | None, passed: bool) -> None:
    verdict = judge_candidate(alone(ours=ours, frauds=4_000))
    assert verdict.passed is passed
    assert "at least 0.7692 (5 times the odds of a fraud, 40.00% of the payments)" in verdict.reasons[2]


def test_the_champion_itself_passes_and_it_is_said() -> None:
    same = figures(frauds=1, auc=0.1)
    same = replace(same, champion=replace(same.candidate))
    verdict = judge_candidate(same)
    assert verdict.passed
    assert verdict.reasons == ("the candidate is the champion itself (rnew)",)


def test_reasons_have_the_figures() -> None:
    assert judge_candidate(figures()).reasons == (
        "50 frauds among 10,000 labelled payments, at least 20: held",
        "AUC 0.9500, at least 0.8000: held",
        "average precision 0.7100, at least 0.0245 (5 times the odds of a fraud, 0.50% of the payments): held",
        "average precision 0.7100 against 0.6900 of champion rold: difference +0.0200 (-0.0040 to +0.0560), "
        "lower bound at least -0.0100: held",
    )


def test_a_failure_is_summed_up_by_what_failed() -> None:
    assert judge_candidate(figures(auc=None, low=0.1)).summary == (
        "candidate rnew failed: AUC not defined, at least 0.8000: not held"
    )


def test_a_verdict_is_fit_for_json() -> None:
    verdict = judge_candidate(figures())
    plain = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert plain.keys() == {"passed", "reasons", "summary", "figures"}
    assert Verdict(**{**plain, "reasons": tuple(plain["reasons"])}) == verdict
    assert plain["figures"]["lead_low"] == -0.004


@pytest.mark.parametrize(
    "wrong", [{"tolerance": -0.1}, {"min_auc": 1.5}, {"min_lift": float("nan")}, {"min_frauds": 0}], ids=str
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        GateRules(**wrong)


def _judged(frauds: int, accounts: int, champion: str | None = "old") -> tuple[CandidateFigures, Verdict]:
    """The verdict on 400 payments, of which `frauds` are frauds of `accounts` accounts."""
    rng = np.random.default_rng(1)
    label = (np.arange(400) < frauds).astype(np.int8)
    names = [f"f{n % accounts}" if n < frauds else f"g{n % 50}" for n in range(400)]
    moments = np.datetime64("2026-01-01T00:00:00", "us") + np.arange(400) * np.timedelta64(3600, "s")
    signal = np.clip(0.6 * label + rng.uniform(0, 0.4, 400), 0, 1)
    scores = pa.table(
        [list(map(str, range(400))), names, moments, label, signal, [None] * 400 if champion is None else signal],
        names=PAIRED_SCORES.names,
    ).cast(PAIRED_SCORES)
    found = compare_with_champion(scores, "new", champion, (None, None), draws=20).figures
    return found, judge_candidate(found)


def test_no_interval_and_no_decision_by_it_for_fewer_than_ten_accounts_with_frauds() -> None:
    found, verdict = _judged(frauds=30, accounts=9)
    assert found.candidate.evaluation.intervals == {}
    assert not verdict.passed
    assert "too few accounts with frauds for an interval: 9, at least 10" in verdict.summary
    assert judge_candidate(found, GateRules(tolerance=1, min_auc=0, min_lift=0)).passed  # which asks for no lead
    found, verdict = _judged(frauds=30, accounts=10)
    assert set(found.candidate.evaluation.intervals) >= {"auc", "average_precision"}
    assert verdict.passed


def test_a_window_without_frauds_has_a_clear_verdict_and_no_metric_that_is_nan() -> None:
    found, verdict = _judged(frauds=0, accounts=1)
    assert "average_precision" not in found.metrics()
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.metrics().values())
    assert "average_precision" in str(found.undefined())
    assert "0 frauds among 400 labelled payments" in str(found.undefined())
    assert not verdict.passed
    assert "0 frauds among 400 labelled payments, at least 20: not held" in verdict.summary
    json.dumps(verdict.as_dict(), allow_nan=False)


def test_a_champion_of_an_older_format_leaves_the_floors_and_is_told() -> None:
    found, _ = _judged(frauds=30, accounts=10, champion=None)
    verdict = judge_candidate(replace(found, unread_champion="champion old cannot be read: format 5"))
    assert verdict.passed
    assert "judged by the floors alone, since champion old cannot be read: format 5" in verdict.summary
