"""What a policy would have done to past payments, beside today's policy on the same ones, with intervals by account."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.arrays import Doubles, Flags, Integers
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.evaluation.intervals import FEWEST_ACCOUNTS, account_numbers, bootstrap
from counterfoil.domain.evaluation.paired import Difference

FIGURES = ("alerts", "precision", "recall", "money_caught", "money_gained")


@dataclass(frozen=True)
class PolicyTrial:
    """Figures by name (FIGURES) of the tried policy and of today's, and the differences with their intervals.

    `money_caught` is the amount of the frauds that were alerted on, `money_gained` that less what alerts cost; in units
    of the payments' currency. `unlabelled` payments are in neither but in `alerts` and `changed`, the number of
    payments with another decision. `busiest_day` is the greatest number of alerts on a day (UTC), of the tried policy
    and of today's; None where it is not known when people were alerted.
    """

    payments: int
    unlabelled: int
    frauds: int
    changed: int
    tried: dict[str, float | None]
    today: dict[str, float | None]
    differences: dict[str, Difference]
    busiest_day: tuple[int, int] | None = None


def try_alerts(
    label: NDArray[np.float64],
    tried: NDArray[np.datetime64],
    today: NDArray[np.datetime64],
    changed: Flags,
    amount: Doubles,
    account: NDArray[np.object_],
    costs: AlertCosts = AlertCosts(),
) -> PolicyTrial:
    """The same as `try_policy` of alerts with their moments (UTC; NaT where there is none)."""
    sent = [~np.isnat(moments) for moments in (tried, today)]
    trial = try_policy(label, sent[0], sent[1], changed, amount, account, costs)
    return replace(trial, busiest_day=(_busiest_day(tried[sent[0]]), _busiest_day(today[sent[1]])))


def _busiest_day(moments: NDArray[np.datetime64]) -> int:
    return int(np.unique(moments.astype("datetime64[D]"), return_counts=True)[1].max(initial=0))


def try_policy(
    label: NDArray[np.float64],
    tried: Flags,
    today: Flags,
    changed: Flags,
    amount: Doubles,
    account: NDArray[np.object_],
    costs: AlertCosts = AlertCosts(),
    *,
    draws: int = 500,
    seed: int = 0,
) -> PolicyTrial:
    """Compare two sets of alerts on the same payments; all arrays are (rows,).

    `label` is 1 fraud, 0 good, NaN unknown; `amount` NaN counts as 0. Each draw takes the same accounts for both. There
    are no intervals where fewer than FEWEST_ACCOUNTS accounts have frauds.
    """
    known = ~np.isnan(label)
    numbers = account_numbers(account, label.size)
    fraud = known & (label == 1)
    money = np.nan_to_num(amount)
    whole = [_by_account(alerted, known, fraud, money, numbers) for alerted in (tried, today)]
    # Most accounts have neither an alert nor a fraud, and add nothing to any figure, however often they are drawn.
    adding = np.flatnonzero((whole[0]["alerts"] > 0) | (whole[1]["alerts"] > 0) | (whole[0]["frauds"] > 0))
    sums = [{name: values[adding] for name, values in one.items()} for one in whole]

    def measure(copies: Integers) -> Mapping[str, Doubles]:
        drawn = copies[:, adding].astype(np.float64)
        first, second = (_figures(drawn, one, costs) for one in sums)
        return {name: first[name] - second[name] for name in FIGURES}

    once = np.ones((1, whole[0]["alerts"].size), dtype=np.int64)
    bounds: Mapping[str, tuple[float, float]] = {}
    if np.unique(numbers[fraud]).size >= FEWEST_ACCOUNTS:
        labels = fraud.astype(np.int8)
        bounds = bootstrap(measure, labels, numbers, draws=draws, seed=seed).bounds
    lead = measure(once)
    return PolicyTrial(
        label.size, int((~known).sum()), int(fraud.sum()), int(changed.sum()),
        _plain(_figures(np.ones((1, adding.size)), sums[0], costs)),
        _plain(_figures(np.ones((1, adding.size)), sums[1], costs)),
        {name: Difference(_number(lead[name][0]), *bounds.get(name, (None, None))) for name in FIGURES},
    )  # fmt: skip


def _by_account(alerted: Flags, known: Flags, fraud: Flags, money: Doubles, numbers: Integers) -> dict[str, Doubles]:
    """Sums over each account's payments."""
    size = int(numbers.max()) + 1 if numbers.size else 1

    def total(what: Flags, weights: Doubles | None = None) -> Doubles:
        values = what.astype(np.float64) if weights is None else what * weights
        return np.bincount(numbers, weights=values, minlength=size).astype(np.float64)

    return {
        "alerts": total(alerted),
        "judged": total(alerted & known),
        "caught": total(alerted & fraud),
        "frauds": total(fraud),
        "money": total(alerted & fraud, money),
    }


def _figures(copies: Doubles, sums: Mapping[str, Doubles], costs: AlertCosts) -> dict[str, Doubles]:
    """Figures (draws,) of copies (draws, accounts) of each account."""
    drawn = {name: np.asarray(copies @ values, dtype=np.float64) for name, values in sums.items()}
    false_alarms = drawn["judged"] - drawn["caught"]
    spent = costs.cost_per_alert * drawn["alerts"] + costs.cost_per_false_alarm * false_alarms
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "alerts": drawn["alerts"],
            "precision": drawn["caught"] / drawn["judged"],
            "recall": drawn["caught"] / drawn["frauds"],
            "money_caught": drawn["money"],
            "money_gained": costs.recovered * drawn["money"] - spent,
        }


def _plain(figures: Mapping[str, Doubles]) -> dict[str, float | None]:
    return {name: _number(values[0]) for name, values in figures.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
