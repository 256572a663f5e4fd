"""The tables of the README that follow from code are what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import docs
from pipelines.local.support import SUPPORT, Feature

README = Path(__file__).parents[2] / "pipelines" / "README.md"
BLOCKS = {"local-session": docs.session_as_markdown, "parameters": docs.parameters_as_markdown}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_readme_has_the_table(block: str) -> None:
    text = README.read_text("utf-8")
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    assert (text.count(begin), text.count(end)) == (1, 1), f"pipelines/README.md needs one {begin} and one {end}"
    there = text.partition(begin)[2].partition(end)[0].strip()
    again = f"python -c 'from pipelines import docs; print(docs.{BLOCKS[block].__name__}())'"
    assert there == BLOCKS[block](), f"put what this prints between {begin} and {end} in pipelines/README.md: {again}"


@pytest.mark.parametrize("table", BLOCKS.values(), ids=BLOCKS)
def test_each_row_has_all_cells(table: Callable[[], str]) -> None:
    lines = table().splitlines()
    assert len(lines) > 10
    assert {line.replace("\\|", "").count("|") for line in lines} == {5}
    assert not any("<" in line for line in lines)


def test_no_feature_is_left_out() -> None:
    table = docs.session_as_markdown()
    assert [feature.name for feature in SUPPORT if feature.name.removesuffix(" step").split("<")[0] not in table] == []


def test_features_that_differ_in_more_than_the_name_keep_rows_of_their_own() -> None:
    features = [
        Feature("Step", "A step", "not here", "Type"), Feature("Step", "B step", "not here", "Type"),
        Feature("Input", "C", "not here", "Type"), Feature("Step", "D step", "not here"),
    ]  # fmt: skip
    assert docs.session_as_markdown(features).splitlines()[2:] == [
        "| Step | D step | yes | not here |",
        "| Step | A, B steps | refused | not here |",
        "| Input | C | refused | not here |",
    ]


def test_what_is_set_for_this_process_is_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    before = docs.parameters_as_markdown()
    monkeypatch.setenv("COUNTERFOIL_PIPELINE_INSTANCE_TYPE", "ml.c5.large")
    assert docs.parameters_as_markdown() == before
    assert "| `InstanceType` | all | `ml.m5.xlarge` |" in before
    assert "| `TrainUntil` | training | required |" in before
