"""Metrics as log lines in the form that CloudWatch reads."""

from collections.abc import Mapping
from typing import Any

from counterfoil.service.emf import UNITS, EmbeddedMetrics
from counterfoil.steps.scoring.drift_now import DriftNow


def test_a_line_has_what_cloudwatch_asks_for() -> None:
    lines: list[Mapping[str, Any]] = []
    embedded = EmbeddedMetrics("counterfoil-test", lines.append, clock=lambda: 1_700_000_000.5)
    for number in range(100):
        embedded.request(200 if number else 503, number / 1000)
    embedded.scored("allow")
    embedded.scored("block")
    embedded.flush(DriftNow(400, 0.25, 0.01, {"amount": 0.5, "account_count_1h": 0.1}))
    [line] = lines
    assert line["_aws"]["Timestamp"] == 1_700_000_000_500
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"], line["Service"]) == (
        "counterfoil-test", [["Service"]], "scoring",
    )  # fmt: skip
    # The rule of the format: each metric and dimension that a directive names is a member of the line itself.
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == UNITS
    assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])
    counted = (line["Requests"], line["Errors"], line["Scores"], line["Alerts"])
    assert counted == (100, 1, 2, 1)
    assert (line["LatencyP50"], line["LatencyP99"]) == (49.5, 98.01)
    assert (line["MeanSignal"], line["AlertedShare"], line["LargestDrift"]) == (0.25, 0.01, 0.5)


def test_a_line_is_of_the_time_since_the_one_before() -> None:
    lines: list[Mapping[str, Any]] = []
    embedded = EmbeddedMetrics("counterfoil-test", lines.append)
    embedded.request(200, 0.01)
    embedded.flush(DriftNow(0, 0.0, 0.0))
    embedded.flush(DriftNow(0, 0.0, 0.0))
    assert [line["Requests"] for line in lines] == [1, 0]
    assert "LatencyP50" in lines[0]
    assert "LatencyP50" not in lines[1]
    assert "MeanSignal" not in lines[1]
