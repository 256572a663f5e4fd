"""The figures of a report, against the rows they sum up."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.steps.insights.report import summarise


def _scores(path: Path, signals: list[float], day: int) -> Path:
    times = [datetime(2026, 1, day, hour, tzinfo=UTC) for hour in range(len(signals))]
    pq.write_table(pa.table({"anomaly_signal": signals, "event_time": times}), path)
    return path


def test_alerts_are_payments_that_reach_a_threshold(tmp_path: Path) -> None:
    files = [
        _scores(tmp_path / "a.parquet", [0.1, 0.5, 0.9], 1),
        _scores(tmp_path / "b.parquet", [0.2, 0.95], 2),
    ]
    summary = summarise(files, "r1", Thresholds(review=0.5, block=0.95))
    assert (summary["payments"], summary["alerts"], summary["blocks"]) == (5, 3, 1)
    assert summary["quantiles"]["0.5"] == 0.5
    assert summary["days"] == [
        {"day": "2026-01-01", "payments": 3, "alerts": 2},
        {"day": "2026-01-02", "payments": 2, "alerts": 1},
    ]


def test_without_thresholds_nothing_is_an_alert(tmp_path: Path) -> None:
    summary = summarise([_scores(tmp_path / "a.parquet", [0.1, 1.0], 1)], "r1", Thresholds())
    assert (summary["alerts"], summary["blocks"], summary["review"]) == (0, 0, None)


def test_no_scores_are_a_report_too() -> None:
    assert summarise([], "r1", Thresholds(review=0.5))["payments"] == 0
