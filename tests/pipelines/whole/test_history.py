"""Which payments of the lake travel to a step."""

import re
from datetime import date, timedelta

import pyarrow.parquet as pq
import pytest

from pipelines.local.objects import files_of

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

MANIFEST = ".manifest.json"
READ_BACK = timedelta(days=30 + 7)
"""The longest window that counts more than known frauds, and the label delay."""
START, FIRST_NEW = date(2024, 1, 1), date(2024, 3, 4)
"""The first day of all, and the first that this detection collects."""
NEWEST = "second detection"


def days(carried):
    """The days of the files of payments that were carried."""
    return sorted(
        {date.fromisoformat(found[1]) for name in carried if (found := re.search(r"event_date=([^/]+)", name))}
    )


def test_features_has_the_days_that_windows_of_new_payments_see_and_no_older_file(life):
    carried = life.carried[NEWEST]
    everything, chosen = carried["collect", "lake/transactions"], carried["features", "lake/transactions"]
    assert days(everything)[0] == START
    assert days(chosen) == [day for day in days(everything) if day >= FIRST_NEW - READ_BACK]
    assert {name: everything[name] for name in chosen} == chosen
    assert 2 < len(chosen) < len(everything)
    assert sum(chosen.values()) < sum(everything.values())


def test_features_has_of_older_days_the_known_frauds_alone(life):
    history = life.executions[NEWEST].folder / "collect" / "history" / "features" / "transactions"
    single = pq.read_table(history / "beside.parquet")
    before = life.place.rows("transactions").select(["transaction_id", "event_time", "label"]).to_pylist()
    old = {row["transaction_id"] for row in before if row["event_time"].date() < FIRST_NEW - READ_BACK and row["label"]}
    assert set(single["transaction_id"].to_pylist()) == old != set()
    assert sorted(life.carried[NEWEST]["features", "history"]) == [
        "labels/keys.json", "labels/runs.json",
        "transactions/beside.parquet", "transactions/keys.json", "transactions/runs.json",
    ]  # fmt: skip


def test_detect_has_nothing_of_the_lake_where_all_that_is_scored_is_new(life):
    assert list(life.carried[NEWEST]["detect", "lake/transactions"]) == [MANIFEST]
    assert days(life.carried[NEWEST]["detect", "transactions"])[0] == FIRST_NEW


def test_a_span_that_is_scored_again_is_carried_to_features_and_detect(life):
    carried = life.carried["whole detection"]
    everything = days(carried["collect", "lake/transactions"])
    assert days(carried["features", "lake/transactions"]) == days(carried["detect", "lake/transactions"]) == everything
    assert (everything[0], everything[-1]) == (START, START + timedelta(days=69))


def test_the_release_names_all_files_that_there_were_to_learn_from(life, output):
    """What was not carried was seen all the same: nothing has been removed."""
    lineage = output(life.executions[NEWEST], "features", "evidence", "_lineage.json")
    first = [run for run in lineage["transactions"] if run in life.place.workspace.tables.runs("transactions")]
    assert len(first) == len(lineage["transactions"]) == 4
    history = life.executions[NEWEST].folder / "collect" / "history"
    assert {name.split("/")[0] for name in files_of(history)} == {"features", "detect", "_done.json"}
