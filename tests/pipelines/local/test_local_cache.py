"""The step cache: what is taken, what is not, and how it says why."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines.local.jobs import Machine
from pipelines.local.key import Code

RAW = "s3://counterfoil-local/raw"
TOYS = Path(__file__).parent / "toy_containers"
pytestmark = [pytest.mark.xdist_group("local_session"), pytest.mark.usefixtures("raw")]


@pytest.fixture
def machine(tmp_path):
    """Return a machine whose code can be changed: a container and a folder of shared code."""
    shutil.copytree(TOYS, tmp_path / "containers")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "detect.py").write_text("one")
    (tmp_path / "pins.txt").write_text("one")
    code = Code(tmp_path / "containers", {"src/toy": tmp_path / "src", "pins.txt": tmp_path / "pins.txt"})
    return Machine(code=code, grace_seconds=1.0)


def two_steps(toy, sdk, first=(), cache="P30D", **changes):
    since = sdk.ParameterString("Since", default_value="2019-01-01")
    one = toy.step("one", ["copy", "--since", since, *first], [toy.source(RAW)], cache=cache, **changes)
    two = toy.step("two", ["copy", "--case", "upper"], [toy.source(toy.out(one))], cache=cache)
    return toy.pipeline(one, two, parameters=[since])


def caches(execution):
    return [step.cached_from for step in execution.steps]


def test_the_same_again_is_taken(toy, sdk, run, machine):
    pipeline = two_steps(toy, sdk)
    first = run(pipeline, machine)
    assert caches(first) == [None, None]
    assert first.step("one").cache == ("no earlier run of this step",)
    second = run(pipeline, machine)
    assert caches(second) == [first.execution_id] * 2
    assert second.step("two").cache[0].startswith(f"taken from execution {first.execution_id} of 20")
    assert second.step("two").outputs == first.step("two").outputs
    assert not (second.folder / "logs").exists()
    assert [e.kind for e in run.events] == ["planned", "started", "cached", "started", "cached"]


def test_only_what_follows_a_change_runs_again(toy, sdk, run, machine):
    first = run(two_steps(toy, sdk), machine)
    # Another argument of the first step, and the same outputs: the second step has nothing to do.
    second = run(two_steps(toy, sdk), machine, Since="2019-02-01")
    assert caches(second) == [None, first.execution_id]
    assert second.step("one").cache == ("argument --since: 2019-01-01 -> 2019-02-01",)


def change_argument(toy, sdk, **_):
    return two_steps(toy, sdk, first=["--case", "upper"])


def change_image(toy, sdk, **_):
    return two_steps(toy, sdk, image="r/counterfoil-toy:2.0")


def change_environment(toy, sdk, **_):
    return two_steps(toy, sdk, environment={"COUNTERFOIL_COLOUR": "red"})


def change_instances(toy, sdk, **_):
    return two_steps(toy, sdk, instances=2)


def change_input(toy, sdk, raw, **_):
    (raw / "b.txt").write_text("BETA")
    (raw / "c.txt").write_text("gamma")
    return two_steps(toy, sdk)


def change_code(toy, sdk, machine, **_):
    (machine.code.shared["src/toy"] / "detect.py").write_text("two")
    return two_steps(toy, sdk)


def change_container(toy, sdk, machine, **_):
    (machine.code.containers / "toy" / "more.py").write_text("")
    return two_steps(toy, sdk)


def change_pins(toy, sdk, machine, **_):
    machine.code.shared["pins.txt"].write_text("two")
    return two_steps(toy, sdk)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_argument, ("argument --case: (none) -> upper",)),
        (change_image, (
            "image: 000000000000.dkr.ecr.eu-west-1.amazonaws.com/counterfoil-toy:1.0 -> r/counterfoil-toy:2.0",
        )),
        (change_environment, ("environment: COUNTERFOIL_COLOUR is new",)),
        (change_instances, ("instances: 1 -> 2",)),
        (change_input, ("input in: 1 of 2 objects changed: b.txt", "input in: 1 objects are new: c.txt")),
        (change_code, ("code: src/toy/detect.py changed",)),
        (change_container, ("code: containers/toy/more.py is new",)),
        (change_pins, ("code: pins.txt changed",)),
    ],
)  # fmt: skip
def test_each_component_makes_a_miss_that_says_so(toy, sdk, run, raw, machine, change, said):
    run(two_steps(toy, sdk), machine)
    changed = run(change(toy=toy, sdk=sdk, raw=raw, machine=machine), machine)
    assert changed.status == "Succeeded"
    assert changed.step("one").cached_from is None
    assert changed.step("one").cache == said


def test_a_step_without_a_cache_runs(toy, sdk, run, machine):
    pipeline = two_steps(toy, sdk, cache=None)
    run(pipeline, machine)
    again = run(pipeline, machine)
    assert caches(again) == [None, None]
    assert again.step("one").cache == ("CacheConfig is not enabled for this step",)


def test_the_cache_can_be_left_out(toy, sdk, run, machine):
    run(two_steps(toy, sdk), machine)
    again = run(two_steps(toy, sdk), Machine(code=machine.code, use_cache=False))
    assert caches(again) == [None, None]
    assert again.step("one").cache == ("the cache is off",)


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_damaged_outputs_are_made_again(toy, sdk, run, machine, damage):
    first = run(two_steps(toy, sdk), machine)
    out = first.folder / "one" / "out"
    if damage == "change":
        (out / "a.txt").write_text("other")
    elif damage == "remove":
        (out / "a.txt").unlink()
    else:
        (out / "z.txt").write_text("more")
    said = {"change": "a.txt changed", "remove": "a.txt is gone", "add": "z.txt was added"}[damage]
    again = run(two_steps(toy, sdk), machine)
    assert again.step("one").cached_from is None
    assert again.step("one").cache[0].endswith(said)
    third = run(two_steps(toy, sdk), machine)
    assert third.step("one").cached_from == again.execution_id


def test_an_old_job_is_not_taken(toy, sdk, run, machine, tmp_path):
    first = run(two_steps(toy, sdk), machine)
    (kept,) = (tmp_path / "executions" / "cache" / "toy" / "one").glob("*.json")
    values = json.loads(kept.read_text())
    kept.write_text(json.dumps({**values, "at": "2020-01-01T00:00:00+00:00"}))
    again = run(two_steps(toy, sdk), machine)
    assert caches(again) == [None, first.execution_id]
    assert again.step("one").cache == (f"the run of execution {first.execution_id} is older than P30D",)


def test_ids_of_executions_in_arguments_do_not_count(toy, sdk, run, machine):
    place = sdk.Join(on="", values=["run-", sdk.ExecutionVariables.PIPELINE_EXECUTION_ID])
    first = run(two_steps(toy, sdk, first=["--run", place]), machine)
    assert caches(run(two_steps(toy, sdk, first=["--run", place]), machine)) == [first.execution_id] * 2


def test_a_failed_step_is_not_kept(toy, run, machine):
    pipeline = toy.pipeline(toy.step("bad", ["crash"], [toy.source(RAW)], cache="P1D"))
    run(pipeline, machine)
    assert run(pipeline, machine).status == "Failed"


def test_secrets_in_settings_are_not_written_down(toy, sdk, run, machine, tmp_path):
    given = Machine(code=machine.code, environment={"COUNTERFOIL_PSEUDONYM_KEY": "open sesame, open"})
    run(two_steps(toy, sdk), given)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and b"open sesame" in path.read_bytes()]
    assert written == []


def test_a_cached_step_looks_for_no_published_file_that_a_manifest_named(toy, sdk, run, machine, raw):
    """Its run may have been replaced since; a step that has to run finds that out."""
    (raw.parent / "keys.json").write_text(json.dumps([{"prefix": f"{RAW}/"}, "a.txt"]))
    version = sdk.ParameterString("InputVersion")
    chosen = toy.source(
        "s3://counterfoil-local/keys.json", "lake-x", s3_data_type="ManifestFile",
        local_path="/opt/ml/processing/input/lake/x",
    )  # fmt: skip
    step = toy.step("one", ["copy"], [toy.source(RAW + "/b.txt"), chosen], cache="P30D")
    pipeline = toy.pipeline(step, parameters=[version])
    first = run(pipeline, machine, InputVersion="1")
    (raw / "a.txt").unlink()
    second = run(pipeline, machine, InputVersion="1")
    third = run(pipeline, machine, InputVersion="2")
    assert caches(second) == [first.execution_id]
    assert (first.status, second.status, third.status) == ("Succeeded", "Succeeded", "Failed")
    assert "raw/a.txt" in third.reason
