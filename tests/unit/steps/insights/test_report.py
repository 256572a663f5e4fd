"""The figures of a report, against the rows they sum up."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.steps.insights.report import summarise


def _scores(path: Path, signals: list[float], day: int, thresholds: Thresholds) -> Path:
    times = [datetime(2026, 1, day, hour, tzinfo=UTC) for hour in range(len(signals))]
    columns = {"anomaly_signal": signals, "event_time": times, "decision": decide(np.array(signals), thresholds)}
    columns["policy_version"] = pa.array(["p1"] * len(signals))
    pq.write_table(pa.table(columns), path)
    return path


def test_alerts_are_payments_that_reach_a_threshold(tmp_path: Path) -> None:
    thresholds = Thresholds(review=0.5, block=0.95)
    files = [
        _scores(tmp_path / "a.parquet", [0.1, 0.5, 0.9], 1, thresholds),
        _scores(tmp_path / "b.parquet", [0.2, 0.95], 2, thresholds),
    ]
    summary = summarise(files, "r1", thresholds)
    assert (summary["payments"], summary["alerts"], summary["blocks"]) == (5, 3, 1)
    assert summary["policy"] == "p1"
    assert summary["quantiles"]["0.5"] == 0.5
    assert summary["days"] == [
        {"day": "2026-01-01", "payments": 3, "alerts": 2},
        {"day": "2026-01-02", "payments": 2, "alerts": 1},
    ]


def test_without_thresholds_nothing_is_an_alert(tmp_path: Path) -> None:
    summary = summarise([_scores(tmp_path / "a.parquet", [0.1, 1.0], 1, Thresholds())], "r1", Thresholds())
    assert (summary["alerts"], summary["blocks"], summary["review"]) == (0, 0, None)


def test_no_scores_are_a_report_too() -> None:
    assert summarise([], "r1", Thresholds(review=0.5))["payments"] == 0
