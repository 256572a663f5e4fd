"""The examples in the documentation of `import counterfoil as cf` give what they say."""

import doctest
from dataclasses import replace
from pathlib import Path

import pytest

import counterfoil as cf
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.errors import UsageError
from counterfoil.insights import lab, rows
from counterfoil.insights.results import EvaluationView
from counterfoil.steps.insights.evaluate_run import evaluate_run


@pytest.fixture(scope="module")
def folder(tables: FolderTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace over the lake of these tests."""
    place = tmp_path_factory.mktemp("workspace")
    (place / "lake").symlink_to(Path(tables.files("transactions")[0]).parents[4], target_is_directory=True)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("module", [lab, rows], ids=lambda module: module.__name__)
def test_every_example_gives_what_it_says(module: object, folder: Path) -> None:
    names = {"lab": cf.open(folder), "folder": folder}
    runner = doctest.DocTestRunner()
    for found in doctest.DocTestFinder().find(module, globs=names):
        runner.run(found)
    assert runner.tries > 2
    assert not runner.failures


def test_a_drawing_says_what_it_cannot_draw(folder: Path) -> None:
    asked = cf.open(folder)
    with pytest.raises(UsageError, match="no column is called 'nothing'; there are: event_date"):
        asked.query("fraud_by_day").plot("nothing", "payments")
    with pytest.raises(UsageError, match="there is no column of days beside 'frauds'"):
        asked.query("fraud_by_merchant").plot("frauds", "frauds")


def test_a_drawing_has_a_title_a_unit_and_words(folder: Path) -> None:
    text = cf.open(folder).query("alert_volume", review=0.3).plot("alerts", "alerts", "Alerts")._repr_html_()
    assert "Alerts, in alerts: alerts from" in text
    assert "<svg" in text
    assert 'role="img"' in text


def test_an_evaluation_without_intervals_says_why(tables: FolderTables) -> None:
    evaluated = evaluate_run(tables, "first")
    few = replace(evaluated, evaluation=replace(evaluated.evaluation, intervals={}, fraud_accounts=3))
    assert "No intervals: 3 accounts have a known fraud" in EvaluationView("first", few)._repr_html_()
    assert "No intervals" not in EvaluationView("first", evaluated)._repr_html_()
