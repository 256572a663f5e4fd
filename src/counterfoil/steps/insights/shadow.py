"""What a challenger in shadow would have done beside the champion, on the payments that both scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from counterfoil.domain.evaluation.alert_shares import AlertShares, compare_alerts
from counterfoil.domain.evaluation.metrics import ALERTS_PER_DAY
from counterfoil.domain.evaluation.paired import Pair, evaluate_pair
from counterfoil.domain.evaluation.scored import Scored
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.policy.decide import Decision, decide
from counterfoil.domain.release.release import Release
from counterfoil.errors import NotFoundError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import DecisionLog
from counterfoil.ports.shadow import Beside, ShadowLog
from counterfoil.steps.insights.online_trial import labels_known


@dataclass(frozen=True)
class ShadowTrial:
    """Challenger and champion on the same payments; `champions` are the releases that answered.

    `alerts` has the challenger first. `other` payments would be decided otherwise. `ranking` is of the `labelled`
    payments, of which `frauds` are fraud; None where they do not have both frauds and good ones.
    """

    challenger: str
    champions: tuple[str, ...]
    payments: int
    other: int
    alerts: AlertShares
    labelled: int
    frauds: int
    ranking: Pair | None


def compare_in_shadow(
    shadow: ShadowLog, decisions: DecisionLog, tables: TableStore, release_of: Callable[[str], Release],
    challenger: str, *, period: Period = Period(), label_delay: timedelta = timedelta(days=LABEL_DELAY_DAYS),
) -> ShadowTrial:  # fmt: skip
    """Compare on what was scored in a period: decisions by each release's thresholds alone, and labels known now.

    Raises NotFoundError if the challenger has scored nothing then.
    """
    rows = shadow.beside(challenger, period.since, period.until)
    if not rows:
        raise NotFoundError(
            f"release {challenger} has scored no payment in shadow in this span: make it challenger "
            "('counterfoil release promote ... --to challenger') and let the service score some payments"
        )
    rows.sort(key=lambda row: (row.event_time, row.transaction_id))
    ours, theirs = np.array([row.shadow_decision for row in rows]), _of_champions(rows, release_of)
    account = np.array([row.account_id for row in rows], dtype=object)
    label = labels_known(rows, decisions, tables, label_delay)
    known = ~np.isnan(label)
    frauds = int((label == 1).sum())
    return ShadowTrial(
        challenger, tuple(sorted({row.champion for row in rows})), len(rows), int((ours != theirs).sum()),
        compare_alerts(ours != str(Decision.ALLOW), theirs != str(Decision.ALLOW), account), int(known.sum()), frauds,
        _ranked(rows, label, known, account) if 0 < frauds < known.sum() else None,
    )  # fmt: skip


def _of_champions(rows: Sequence[Beside], release_of: Callable[[str], Release]) -> NDArray[np.str_]:
    """The decisions that the thresholds of the releases that answered make: rules and lists speak of neither."""
    signals, named = np.array([row.champion_signal for row in rows]), np.array([row.champion for row in rows])
    decisions = np.empty(len(rows), dtype="U16")
    for name in np.unique(named):
        mine = named == name
        decisions[mine] = decide(signals[mine], release_of(str(name)).thresholds).to_pylist()
    return decisions


def _ranked(
    rows: Sequence[Beside], label: NDArray[np.float64], known: NDArray[np.bool_], account: NDArray[np.object_]
) -> Pair:
    ours, theirs = (
        np.array([getattr(row, name) for row in rows], np.float64)[known]
        for name in ("shadow_signal", "champion_signal")
    )
    time = np.array([row.event_time.replace(tzinfo=None) for row in rows], "datetime64[us]")[known]
    scored = Scored(label[known].astype(np.int8), ours, account[known], time)
    return evaluate_pair(scored, theirs, alerts_per_day=ALERTS_PER_DAY)
