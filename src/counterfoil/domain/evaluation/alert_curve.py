"""What alerting from a signal on brings and costs, at every signal that occurs."""

from dataclasses import dataclass

import numpy as np

from counterfoil.domain.arrays import Doubles, Flags, Integers, Labels, last_of_runs
from counterfoil.domain.evaluation.alert_costs import AlertCosts
from counterfoil.domain.schemas import FRAUD, GOOD


@dataclass(frozen=True)
class ScoredPayments:
    """Scored payments; all arrays are (rows,).

    `label` is 1 for fraud, 0 for good and -1 where it is not known; `day` is the UTC date, from 0 to `days` - 1.
    `amount` is never NaN; only where `priced` do amounts and costs count. `weight` is the inverse sampling rate.
    """

    signal: Doubles
    label: Labels
    day: Integers
    days: int
    amount: Doubles
    priced: Flags
    weight: Doubles

    def busiest_day(self, threshold: float) -> float:
        """The most alerts of one day, if every payment at or above the threshold is one."""
        alerted = self.signal >= threshold
        return float(np.bincount(self.day[alerted], self.weight[alerted], minlength=1).max())


@dataclass(frozen=True)
class AlertCurve:
    """Sums over the payments at or above each distinct signal, highest first.

    `signal` is (steps,); the sums are (steps + 1,), beginning with those of no alert at all, so that the sums at
    place p are those of alerting on the p highest distinct signals. `caught` is the amount of the frauds alerted on.
    """

    signal: Doubles
    days: int
    alerts: Doubles
    frauds: Doubles
    goods: Doubles
    caught: Doubles
    priced_alerts: Doubles
    priced_goods: Doubles

    @classmethod
    def of(cls, payments: ScoredPayments) -> "AlertCurve":
        """Sort once; payments of one signal are one step."""
        order = np.argsort(-payments.signal, kind="stable")
        ends = last_of_runs(payments.signal[order])
        weight = payments.weight
        fraud, good = weight * (payments.label == FRAUD), weight * (payments.label == GOOD)
        summed = (weight, fraud, good, fraud * payments.amount * payments.priced, weight * payments.priced)
        sums = [np.append(0.0, np.cumsum(values[order])[ends]) for values in (*summed, good * payments.priced)]
        return cls(payments.signal[order][ends], payments.days, *sums)

    def within(self, alerts_per_day: float) -> int:
        """The last place that has on average at most so many alerts a day; 0 if the first tie is too large."""
        # Sums of weights carry rounding errors, which must not decide over a payment.
        most = alerts_per_day * self.days * (1 + 1e-9)
        return int(np.searchsorted(self.alerts, most, side="right")) - 1

    def reaching(self, threshold: float) -> int:
        """The place of alerting on every payment at or above the threshold."""
        return int(np.searchsorted(-self.signal, -threshold, side="right"))

    @property
    def alerts_per_day(self) -> Doubles:
        """Mean alerts a day (steps + 1,), over all days of the calendar."""
        return self.alerts / self.days

    @property
    def recall(self) -> Doubles:
        """Share of the frauds alerted on (steps + 1,); NaN if there are none."""
        return _share(self.frauds, self.frauds[-1])

    @property
    def recall_by_amount(self) -> Doubles:
        """Share of the frauds' money alerted on (steps + 1,); NaN if there is none."""
        return _share(self.caught, self.caught[-1])

    @property
    def precision(self) -> Doubles:
        """Share of the alerts of known label that are frauds (steps + 1,); NaN without any."""
        return _share(self.frauds, self.frauds + self.goods)

    @property
    def false_alarms_per_fraud(self) -> Doubles:
        """Alerts on good payments for each fraud alerted on (steps + 1,); NaN without a fraud."""
        return _share(self.goods, self.frauds)

    def saved(self, costs: AlertCosts) -> Doubles:
        """Money saved less what the alerts cost (steps + 1,), over all days; 0 without an alert."""
        spent = costs.cost_per_alert * self.priced_alerts + costs.cost_per_false_alarm * self.priced_goods
        return costs.recovered * self.caught - spent

    def best(self, costs: AlertCosts) -> int | None:
        """The first place that saves the most money; None if no place saves any."""
        saved = self.saved(costs)
        place = int(np.argmax(saved))
        return place if saved[place] > 0 else None


def _share(part: Doubles, whole: Doubles | np.float64) -> Doubles:
    whole = np.broadcast_to(whole, part.shape)
    share: Doubles = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share
