"""What people read of releases on the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from counterfoil.cli.show import releases as console_releases
from counterfoil.domain.release.fit import Fit
from counterfoil.ports.releases import LoggedDecision, RegisteredRelease
from counterfoil.steps.releases.releases import Change

MEASURED = {"average_precision": 0.9051, "average_precision_low": 0.8690, "average_precision_high": 0.9374}
RELEASE = RegisteredRelease("r0123456789abcdef", 7, MEASURED, {"mapping": "bank", "gate": "passed"}, ("champion",))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    monkeypatch.setattr(console_releases, "out", Console(width=160, highlight=False))
    return capsys


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (MEASURED, "0.905 (0.869 to 0.937)"),
        ({"average_precision": 0.5, "validation_average_precision": 0.9}, "0.500"),
        ({"validation_average_precision": 0.25}, "0.250 in training"),
        ({}, ""),
    ],
)
def test_the_average_precision_is_that_of_the_evaluation(metrics: dict[str, float], expected: str) -> None:
    assert console_releases.precision(metrics) == expected


def test_the_list_has_a_line_a_release(said: pytest.CaptureFixture[str]) -> None:
    retired = replace(RELEASE, release_id="rfedcba9876543210", version=6, tags={"retired": "yes"}, aliases=())
    console_releases.show_releases([RELEASE, retired])
    lines = [line for line in said.readouterr().out.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    assert cells == [
        ["7", "r0123456789abcdef", "champion", "bank", "passed", "0.905 (0.869 to 0.937)"],
        ["6", "rfedcba9876543210", "retired", "", "", "0.905 (0.869 to 0.937)"],
    ]


def test_a_figure_stands_in_one_line_with_its_interval() -> None:
    shown = console_releases._figures(replace(RELEASE, metrics={**MEASURED, "rows": 91_918.0}))["metrics"]
    assert shown.splitlines() == ["average_precision 0.905 (0.869 to 0.937)", "rows 91,918"]


def test_no_release_says_what_to_run(said: pytest.CaptureFixture[str]) -> None:
    console_releases.show_releases([])
    assert "run 'counterfoil train'" in said.readouterr().out


def test_a_mapping_that_cannot_be_scored_is_told_what_it_lacks(said: pytest.CaptureFixture[str]) -> None:
    console_releases.show_fit(Fit(("age", "browser"), (), 9), "bank")
    out = said.readouterr().out
    assert "cannot score bank, its evidence lacks: age, browser" in out
    assert "can score bank" not in out.replace("cannot", "")


def test_a_change_names_who_was_before_and_the_entry(said: pytest.CaptureFixture[str]) -> None:
    entry = LoggedDecision("promote", "r2", "ada", "better", {}, 12)
    console_releases.show_change(Change("r2", "champion", "r1", entry), "is champion")
    console_releases.show_change(Change("r2", "champion", "r1", None), "is champion")
    first, second = said.readouterr().out.splitlines()
    assert first == "r2 is champion (before: r1); decision 12"
    assert second == "r2 is champion already: nothing was changed"


def test_what_an_operator_writes_is_shown_as_it_is(said: pytest.CaptureFixture[str]) -> None:
    console_releases.show_decisions([LoggedDecision("retire", "r1", "[red]eve", "[/] see [1]", {}, 1)])
    out = said.readouterr().out
    assert "[red]eve" in out
    assert "[/] see [1]" in out
