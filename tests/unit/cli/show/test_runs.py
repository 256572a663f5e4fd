"""Cases on the terminal."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from counterfoil.cli.show.runs import show_cases
from counterfoil.steps.insights.riskiest import Case, Payment

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def payment(name: str, label: int | None, similarity: float = 1.0) -> Payment:
    return Payment(name, AT, Decimal("12.50"), "EUR", "Shop", "fuel", label, similarity)


def test_precedents_of_a_side_are_shown_the_nearest_first(capsys: pytest.CaptureFixture[str]) -> None:
    cited = (payment("f1", 1, 0.9), payment("f2", 1, 0.8), payment("g1", 0, 0.4), payment("g2", 0, -0.1))
    show_cases([Case(0.7, "review", payment("p", None), cited)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["known", "fraud", "0.9000"], ["known", "fraud", "0.8000"], ["known", "good", "0.4000"],
    ]  # fmt: skip


def test_what_points_the_other_way_is_not_called_alike(capsys: pytest.CaptureFixture[str]) -> None:
    show_cases([Case(0.7, "review", payment("p", None), (payment("f", 1, 0.9), payment("g", 0, -0.12)))])
    shown = capsys.readouterr().out
    assert "no known good payment is like it: the nearest has -0.1200" in shown
    assert "known good   " not in shown
    show_cases([Case(0.7, "review", payment("p", None), (payment("f", 1, -0.2), payment("g", 0, 0.3)))])
    assert "no known fraud is like it: the nearest has -0.2000" in capsys.readouterr().out
