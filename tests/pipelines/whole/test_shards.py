"""Detection on several instances, and on nothing new."""

import pytest

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

CUT = {"counterfoil.steps.lake.partitions:ROW_GROUP": 2048, "counterfoil.processing.detection:ROWS_PER_FILE": 2048}
"""Evidence is cut into files between row groups, and DuckDB makes these of 2,048 rows at least."""


@pytest.fixture(scope="module")
def sharded(copied, champion, given):
    """A detection on three instances, in the second workspace: with the payments and the champion of the first."""
    assert champion
    assert copied.run("detection", given["first detection"]).status == "Succeeded"
    with copied.fault("features", set=CUT):
        return copied.run("detection", {**given["whole detection"], "DetectInstances": "3"})


def test_instances_share_the_payments_and_come_to_the_same_scores(sharded, copied, life, output):
    assert sharded.status == "Succeeded"
    run = life.run_of("whole detection")
    files = copied.workspace.tables.files("scores", run)
    shards = [output(sharded, "detect", "summary", f"shard-0000{number}.json")["rows"] for number in range(3)]
    assert len(files) == sum(rows > 0 for rows in shards) == 3
    alone, together = life.place.rows("scores", run), copied.rows("scores", run)
    assert sum(shards) == together.num_rows == alone.num_rows > 5000
    assert together["transaction_id"].equals(alone["transaction_id"])
    pairs = zip(together["anomaly_signal"].to_pylist(), alone["anomaly_signal"].to_pylist(), strict=True)
    # The same within 1e-6, not to the bit: a product of matrices rounds by how many rows a file has.
    assert max(abs(ours - theirs) for ours, theirs in pairs) < 1e-6


@pytest.mark.usefixtures("sharded")
def test_more_instances_than_there_are_files_with_nothing_new(copied, given, output):
    """The payments were collected before: detect has an empty file for two instances, and publish nothing."""
    parameters = {**given["second detection"], "DetectInstances": "2", "InputVersion": "again"}
    before = copied.state()
    execution = copied.run("detection", parameters)
    assert execution.status == "Succeeded"
    assert output(execution, "collect", "summary", "summary.json")["files_skipped"] == 1
    summary = output(execution, "report", "report", "summary.json")
    assert (summary["payments"], summary["alerts"], summary["days"]) == (0, 0, [])
    assert copied.state() == before
