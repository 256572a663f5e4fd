"""May a candidate be registered? Every rule is answered with its figure, whether it held or not."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from counterfoil.domain.evaluation.candidate import CandidateFigures
from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS
from counterfoil.domain.options import Kind, option
from counterfoil.errors import UsageError


@dataclass(frozen=True)
class GateRules:
    """What a candidate must reach. Raises UsageError for a rule that makes no sense.

    tolerance: how much average precision it may lose against the champion, by the lower bound of the paired
    95 % interval. min_auc, min_lift (odds of the average precision over the odds of a fraud): the floor, also without
    a champion. min_frauds: with fewer in the window nothing can be said.
    """

    tolerance: float = option(
        "Average precision it may lose against the champion (lower bound of the 95 % interval)",
        Kind.SHARE,
        default=0.01,
    )
    min_auc: float = option("AUC that a candidate needs", Kind.SHARE, default=0.8)
    min_lift: float = option(
        "Average precision that a candidate needs: its odds, in multiples of the odds of a fraud",
        Kind.NUMBER,
        default=5.0,
    )
    min_frauds: int = option("Frauds that the days to judge on must have", Kind.COUNT, default=20)

    def __post_init__(self) -> None:
        for name, value, most in (
            ("tolerance", self.tolerance, 1.0), ("min_auc", self.min_auc, 1.0), ("min_lift", self.min_lift, math.inf),
        ):  # fmt: skip
            if not 0 <= value <= most:
                raise UsageError(f"gate rule {name} is {value}: a number from 0 to {most:g} is expected")
        if self.min_frauds < 1:
            raise UsageError(f"gate rule min_frauds is {self.min_frauds}: at least 1 fraud is needed")


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate passed; `reasons` has each rule with its figure, `summary` is one line of them."""

    passed: bool
    reasons: tuple[str, ...]
    summary: str
    figures: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        return {**asdict(self), "reasons": list(self.reasons)}


@dataclass(frozen=True)
class _Answer:
    """One rule with its figure in words, and whether it held."""

    words: str
    held: bool

    def __str__(self) -> str:
        return f"{self.words}: {'held' if self.held else 'not held'}"


DEFAULT_RULES = GateRules()


def judge_candidate(figures: CandidateFigures, rules: GateRules = DEFAULT_RULES) -> Verdict:
    """Judge a candidate by its figures on a window after its training.

    All rules must hold: enough frauds, the floor, and against a champion no loss beyond the tolerance. A
    candidate that is the champion itself passes.
    """
    release_id, champion = figures.candidate.release_id, figures.champion
    if champion is not None and champion.release_id == release_id:
        same = f"the candidate is the champion itself ({release_id})"
        return Verdict(True, (same,), f"candidate {release_id} passed: {same}", _figures(figures))
    answers = [_enough_frauds(figures, rules), *_floor(figures, rules), *_lead(figures, rules)]
    passed = all(answer.held for answer in answers)
    # A failure is told by what failed alone: FailStep has one line.
    told = [str(answer) for answer in answers if passed or not answer.held]
    summary = f"candidate {release_id} {'passed' if passed else 'failed'}: {'; '.join(told)}"
    return Verdict(passed, tuple(map(str, answers)), summary, _figures(figures))


def _figures(figures: CandidateFigures) -> dict[str, float | None]:
    evaluation, champion = figures.candidate.evaluation, figures.champion
    found = {
        "rows": float(evaluation.rows),
        "frauds": float(evaluation.frauds),
        "average_precision": evaluation.metrics["average_precision"],
        "auc": evaluation.metrics["auc"],
        "lift": lift(figures),
    }
    if champion is not None:
        lead = figures.differences["average_precision"]
        found["champion_average_precision"] = champion.evaluation.metrics["average_precision"]
        found |= {"lead": lead.value, "lead_low": lead.low, "lead_high": lead.high}
    return found


def lift(figures: CandidateFigures) -> float | None:
    """The candidate's average precision over the share of frauds in the window; None: not defined."""
    evaluation = figures.candidate.evaluation
    precision = evaluation.metrics["average_precision"]
    return None if precision is None else precision * evaluation.rows / evaluation.frauds


def lowest_precision(fraud_share: float, times: float) -> float:
    """The average precision whose odds are `times` the odds of a fraud: what chance gives, so many times better.

    Where frauds are rare this is `times` their share. Shares themselves cannot be compared: five times a share above
    20 % is above 1, which nothing reaches.
    """
    top = times * fraud_share
    return top / (top + 1 - fraud_share) if top else 0.0


def _enough_frauds(figures: CandidateFigures, rules: GateRules) -> _Answer:
    frauds, rows = figures.candidate.evaluation.frauds, figures.candidate.evaluation.rows
    words = f"{frauds:,} frauds among {rows:,} labelled payments, at least {rules.min_frauds:,}"
    return _Answer(words, frauds >= rules.min_frauds)


def _floor(figures: CandidateFigures, rules: GateRules) -> list[_Answer]:
    evaluation = figures.candidate.evaluation
    auc, precision = evaluation.metrics["auc"], evaluation.metrics["average_precision"]
    share = evaluation.frauds / evaluation.rows if evaluation.rows else 0.0
    lowest = lowest_precision(share, rules.min_lift)
    return [
        _Answer(f"AUC {_shown(auc)}, at least {rules.min_auc:.4f}", auc is not None and auc >= rules.min_auc),
        _Answer(
            f"average precision {_shown(precision)}, at least {lowest:.4f} ({rules.min_lift:g} times the odds of a "
            f"fraud, {share:.2%} of the payments)",
            precision is not None and precision >= lowest,
        ),
    ]


def _lead(figures: CandidateFigures, rules: GateRules) -> list[_Answer]:
    if figures.champion is None:
        unread = figures.unread_champion
        return [] if unread is None else [_Answer(f"judged by the floors alone, since {unread}", True)]
    ours = figures.candidate.evaluation.metrics["average_precision"]
    theirs = figures.champion.evaluation.metrics["average_precision"]
    lead = figures.differences["average_precision"]
    words = (
        f"average precision {_shown(ours)} against {_shown(theirs)} of champion {figures.champion.release_id}: "
        f"difference {_shown(lead.value, '+.4f')} ({_shown(lead.low, '+.4f')} to {_shown(lead.high, '+.4f')}), "
        f"lower bound at least {-rules.tolerance:+.4f}"
    )
    found = figures.candidate.evaluation.fraud_accounts
    if lead.low is None and found < FEWEST_ACCOUNTS:
        words += f" (too few accounts with frauds for an interval: {found:,}, at least {FEWEST_ACCOUNTS})"
    asks_nothing = rules.tolerance >= 1  # no average precision is further from another
    return [_Answer(words, asks_nothing or (lead.low is not None and lead.low >= -rules.tolerance))]


def _shown(value: float | None, form: str = ".4f") -> str:
    return "not defined" if value is None else format(value, form)
