"""Report: what the scores of one execution say, in figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterfoil.domain.policy.decide import Decision
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.steps.lake.engine import engine, one_row

_QUANTILES = (0.5, 0.9, 0.99, 0.999)


def summarise(files: Sequence[Path], release_id: str, thresholds: Thresholds) -> dict[str, Any]:
    """Sum up score files: payments, alerts, blocks, the signal's quantiles, and payments and alerts by day.

    An alert is a payment that is not allowed. `thresholds` are the release's, for the reader; `policy` is the version
    that decided, if one did.
    """
    summary: dict[str, Any] = {"release": release_id, "review": thresholds.review, "block": thresholds.block}
    if not files:
        return {**summary, "policy": None, "payments": 0, "alerts": 0, "blocks": 0, "quantiles": {}, "days": []}
    source = f"read_parquet({[str(path) for path in files]!r})"
    review = f"count(*) FILTER (decision <> '{Decision.ALLOW}')"
    block = f"count(*) FILTER (decision = '{Decision.BLOCK}')"
    with engine() as database:
        policy, payments, alerts, blocks, *levels = one_row(
            database,
            f"SELECT max(policy_version), count(*), {review}, {block}, "
            + ", ".join(f"quantile_disc(anomaly_signal, {q})" for q in _QUANTILES)
            + f" FROM {source}",
        )
        days = database.execute(
            f"SELECT CAST(CAST(event_time AS DATE) AS VARCHAR), count(*), {review} FROM {source} GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return {
        **summary,
        "policy": policy,
        "payments": payments,
        "alerts": alerts,
        "blocks": blocks,
        "quantiles": dict(zip(map(str, _QUANTILES), levels, strict=True)),
        "days": [{"day": day, "payments": count, "alerts": alerts} for day, count, alerts in days],
    }
