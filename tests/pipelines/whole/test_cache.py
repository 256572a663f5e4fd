"""What of a pipeline is run again, and why."""

import pytest

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

CACHED = {
    "training": {"collect", "curate", "features", "train", "evaluate", "gate"},
    "detection": {"collect", "curate", "features", "detect", "report"},
}
NEVER = {"publish", "register"}
SHOWN = "insights"  # it reads the lake as it is now
LAKE_CHANGED = "input lake-transactions: 1 of 1 objects changed: what InputVersion names"
FORGOTTEN_CHANGED = "input lake-forgotten: 1 of 1 objects changed: what InputVersion names"
LABELS_CHANGED = "input lake-labels: 1 of 1 objects changed: what InputVersion names"
OFF = ("CacheConfig is not enabled for this step",)


def cached(execution):
    """The steps that were taken from the cache."""
    return {step.name for step in execution.steps if step.cached_from}


def run(execution):
    """The processing steps that ran."""
    done = {step.name for step in execution.steps if step.type == "Processing" and step.status == "Succeeded"}
    return done - cached(execution)


def test_a_repeated_training_runs_only_what_changes_what_others_see(life):
    repeated, first = life.executions["repeated training"], life.executions["first training"]
    assert cached(repeated) == CACHED["training"]
    assert run(repeated) == NEVER
    assert {repeated.step(name).cache for name in NEVER} == {OFF}
    assert repeated.step("gate").cached_from == first.execution_id
    assert repeated.step("gate").cache[0].startswith(f"taken from execution {first.execution_id} of ")


def test_a_changed_parameter_repeats_the_steps_that_take_it(life):
    first, refused = life.executions["first training"], life.executions["refused training"]
    assert cached(first) == CACHED["training"] - {"gate"}
    assert first.step("gate").cache == ("argument --min-auc: 1 -> 0.5",)
    assert first.step("train").cached_from == refused.execution_id


def test_a_repeated_detection_publishes_and_shows_again_and_comes_to_the_same(life, given):
    before = life.place.tables()
    second = life.executions["second detection"]
    repeated = life.place.run("detection", {**given["second detection"], "Release": life.releases[1]})
    assert repeated.status == "Succeeded"
    assert cached(repeated) == CACHED["detection"]
    assert run(repeated) == {"publish", SHOWN}
    assert repeated.step("report").cached_from == second.execution_id
    finished = {event.step: event for event in life.place.events if event.kind in ("cached", "finished")}
    assert finished["publish"].lines == OFF
    assert finished["detect"].lines[0].startswith(f"taken from execution {second.execution_id}")
    after = life.place.tables()
    assert [name for name in before if not before[name].equals(after[name])] == []


def test_a_release_repeats_what_scores_with_it(life):
    """After the rollback the files are the same, and the lake but for what they brought themselves."""
    whole, second = life.executions["whole detection"], life.executions["second detection"]
    assert cached(whole) == set()
    days = ("argument --since: - -> 2024-01-01", "argument --until: - -> 2024-03-10")
    assert whole.step("collect").cache == days  # it chooses which payments features is to have
    assert set(whole.step("features").cache) > set(days)
    assert f"argument --release: {' -> '.join(life.releases)}" in second.step("detect").cache


@pytest.fixture
def begin(other, given):
    """Run the beginning of a training of some raw files, to its step features, which crashes."""

    def begun(name="second training", **changes):
        with other.fault("features", fault={"at": "counterfoil.steps.features:_sort", "do": "crash", "say": "x"}):
            execution = other.run("training", {**given[name], "Champion": "-", **changes})
        assert execution.failed_step == "features"
        return execution

    return begun


def test_a_changed_raw_file_repeats_all_that_follows(other, begin):
    first = begin()
    assert cached(begin()) == {"collect", "curate"}
    path = other.root / "raw" / "second" / "0.csv"
    whole = path.read_bytes()
    path.write_bytes(b"\n".join(whole.split(b"\n")[:-2]) + b"\n")
    changed = begin()
    assert cached(changed) == set()
    versions = f"{first.parameters['InputVersion']} -> {changed.parameters['InputVersion']}"
    assert set(changed.step("collect").cache) == {
        f"argument --input-version: {versions}", "input raw: 1 of 1 objects changed: 0.csv",
        LAKE_CHANGED, FORGOTTEN_CHANGED, LABELS_CHANGED,
    }  # fmt: skip
    path.write_bytes(whole)
    assert cached(begin()) == {"collect", "curate"}


def test_another_executions_payments_repeat_all(other, begin, given):
    before = begin()
    fault = {"at": "counterfoil.steps.train:fit_candidate", "do": "crash", "say": "x"}
    with other.fault("train", fault=fault):
        execution = other.run("training", {**given["first training"], "Champion": "-"})
    assert (execution.failed_step, execution.step("publish").status) == ("train", "Succeeded")
    after = begin()
    assert cached(after) == set()
    assert LAKE_CHANGED in after.step("curate").cache
    assert before.parameters["InputVersion"] != after.parameters["InputVersion"]


def test_its_own_payments_do_not_count(other, given):
    fault = {"at": "counterfoil.steps.train:fit_candidate", "do": "crash", "say": "x"}
    parameters = {**given["second training"], "Champion": "-"}
    with other.fault("train", fault=fault):
        published = [other.run("training", parameters) for _ in range(2)]
    assert [execution.failed_step for execution in published] == ["train", "train"]
    assert published[0].parameters["InputVersion"] == published[1].parameters["InputVersion"]
    assert cached(published[1]) == {"collect", "curate", "features"}
