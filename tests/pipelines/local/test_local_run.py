"""A definition is executed here: order, parameters, property files, conditions, the contract of /opt/ml."""

import json
import os
from pathlib import Path

import pytest

from counterfoil.errors import PipelineError, UsageError
from pipelines.local.jobs import Machine
from pipelines.local.key import Code

RAW = "s3://counterfoil-local/raw"
TOYS = Path(__file__).parent / "toy_containers"
pytestmark = [pytest.mark.xdist_group("local_session"), pytest.mark.usefixtures("raw")]


def gated(toy, sdk):
    """Two steps and a condition over the second's property file."""
    passed = sdk.ParameterString("Passed", default_value="yes")
    first = toy.step("first", ["copy"], [toy.source(RAW)])
    second = toy.step("second", ["copy", "--passed", passed, "--case", "upper"], [toy.source(toy.out(first))])
    last = toy.step("last", ["copy"], [toy.source(toy.out(second))])
    fail = sdk.FailStep("refuse", error_message=sdk.Join(on=": ", values=["refused", toy.get(second, "why")]))
    condition = sdk.ConditionEquals(left=toy.get(second, "passed"), right=True)
    gate = sdk.ConditionStep("gate", conditions=[condition], if_steps=[last], else_steps=[fail])
    return toy.pipeline(first, second, gate, parameters=[passed])


def test_steps_run_in_order_and_hand_on_their_outputs(toy, sdk, run, tmp_path):
    execution = run(gated(toy, sdk))
    assert execution.status == "Succeeded"
    assert [(step.name, step.status) for step in execution.steps] == [
        ("first", "Succeeded"), ("second", "Succeeded"), ("gate", "Succeeded"), ("last", "Succeeded"),
        ("refuse", "Skipped"),
    ]  # fmt: skip
    out = tmp_path / "executions" / execution.execution_id / "last" / "out"
    assert {path.name: path.read_text() for path in out.iterdir()} == {"a.txt": "ALPHA", "b.txt": "BETA"}
    uri = f"s3://counterfoil-local/executions/{execution.execution_id}/last/out"
    assert execution.step("last").outputs["out"] == uri
    assert not (tmp_path / "jobs" / execution.execution_id).exists()


def test_the_other_branch_fails_with_its_message(toy, sdk, run):
    execution = run(gated(toy, sdk), Passed="no")
    assert execution.status == "Failed"
    assert execution.failed_step == "refuse"
    assert execution.reason == "refused: 2 files are not enough"
    assert execution.step("last").status == "Skipped"


def test_events_tell_what_happens(toy, sdk, run):
    run(gated(toy, sdk))
    told = [(event.kind, event.step) for event in run.events if event.kind != "log"]
    assert told == [
        ("planned", ""), ("started", "first"), ("finished", "first"), ("started", "second"), ("finished", "second"),
        ("started", "gate"), ("finished", "gate"), ("started", "last"), ("finished", "last"), ("skipped", "refuse"),
    ]  # fmt: skip
    assert [e.detail for e in run.events if e.kind == "log" and e.step == "last"] == ["copy on algo-1"]


def test_independent_branches_run_as_declared(toy, run):
    steps = [toy.step(name, ["copy"], [toy.source(RAW)]) for name in ("d", "b", "e", "a", "c")]
    steps.append(toy.step("before", ["copy"], [toy.source(RAW)]))
    steps[1].add_depends_on([steps[-1]])
    assert [step.name for step in run(toy.pipeline(*steps)).steps] == ["d", "e", "a", "c", "before", "b"]


def shown(execution, host="algo-1"):
    return json.loads((execution.folder / "look" / "out" / f"{host}.json").read_text())


def test_an_instance_sees_the_contract(toy, run, raw, tmp_path):
    (raw / "deep").mkdir()
    (raw / "deep" / "c.txt").write_text("gamma")
    step = toy.step(
        "look", ["show", "--in", "/opt/ml/processing/input/in", "--not", "/opt/mlx"], [toy.source(RAW)],
        environment={"COUNTERFOIL_COLOUR": "red"},
    )  # fmt: skip
    execution = run(toy.pipeline(step))
    assert execution.status == "Succeeded"
    seen = shown(execution)
    ml = seen["environment"]["COUNTERFOIL_ML_ROOT"]
    assert ml == str(tmp_path / "jobs" / execution.execution_id / "look" / "algo-1" / "ml")
    assert seen["arguments"] == ["show", "--in", f"{ml}/processing/input/in", "--not", "/opt/mlx"]
    assert seen["files"] == [
        "config/processingjobconfig.json", "config/resourceconfig.json", "processing/input/in/a.txt",
        "processing/input/in/b.txt", "processing/input/in/deep/c.txt",
    ]  # fmt: skip
    assert {"output", "processing/output/out", "processing/output/summary"} <= set(seen["folders"])
    assert seen["config"]["resourceconfig.json"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    job = seen["config"]["processingjobconfig.json"]
    assert job["ProcessingInputs"][0]["S3Input"]["S3Uri"] == RAW
    assert job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["LocalPath"] == "/opt/ml/processing/output/out"
    assert job["Environment"] == {"COUNTERFOIL_COLOUR": "red"}
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1


def test_an_instance_sees_nothing_else_of_this_process(toy, run, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("SOMETHING", "else")
    monkeypatch.setenv("COUNTERFOIL_BATCH_ROWS", "7")
    monkeypatch.setenv("COUNTERFOIL_PIPELINE_BUCKET", "elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    given = Machine(code=Code(TOYS, {}), environment={"COUNTERFOIL_COLOUR": "blue", "COUNTERFOIL_SIZE": "9"})
    step = toy.step("look", ["show"], [toy.source(RAW)], environment={"COUNTERFOIL_COLOUR": "red"})
    seen = shown(run(toy.pipeline(step), given))["environment"]
    machine = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONUNBUFFERED"}
    machine |= {name for name in seen if name.endswith("_NUM_THREADS") or name.startswith("OPENBLAS_")}
    assert {name: value for name, value in seen.items() if name not in machine} == {
        "COUNTERFOIL_BATCH_ROWS": "7", "COUNTERFOIL_COLOUR": "red", "COUNTERFOIL_SIZE": "9",
        "COUNTERFOIL_WORKSPACE": str(tmp_path), "COUNTERFOIL_ML_ROOT": seen["COUNTERFOIL_ML_ROOT"],
    }  # fmt: skip
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_step_cannot_change_what_it_reads(toy, run, raw):
    assert run(toy.pipeline(toy.step("spoil", ["spoil"], [toy.source(RAW)]))).status == "Succeeded"
    assert (raw / "a.txt").read_text() == "alpha"


@pytest.mark.parametrize("objects", [7, 2])
def test_shards_are_dealt_out_by_key(toy, run, tmp_path, objects):
    folder = tmp_path / "many"
    folder.mkdir()
    names = [f"{number}.txt" for number in range(objects)]
    for name in names:
        (folder / name).write_text(name)
    source = toy.source("s3://counterfoil-local/many/", s3_data_distribution_type="ShardedByS3Key")
    execution = run(toy.pipeline(toy.step("look", ["show", "--seconds", "0.3"], [source], instances=3)))
    assert execution.status == "Succeeded"
    seen = [shown(execution, f"algo-{number}") for number in (1, 2, 3)]
    assert [sorted(each["inputs"]) for each in seen] == [names[0::3], names[1::3], names[2::3]]
    assert [each["config"]["resourceconfig.json"]["hosts"] for each in seen] == [["algo-1", "algo-2", "algo-3"]] * 3
    assert max(each["started"] for each in seen) < min(each["ended"] for each in seen)
    logs = execution.folder / "logs" / "look"
    assert (logs / "algo-3.log").read_text() == "show on algo-3\n"


def test_replicated_inputs_reach_every_instance(toy, run, sdk):
    count = sdk.ParameterInteger("Count", default_value=1)
    step = toy.step("look", ["show"], [toy.source(RAW)], instances=count)
    execution = run(toy.pipeline(step, parameters=[count]), Count="2")
    assert [sorted(shown(execution, host)["inputs"]) for host in ("algo-1", "algo-2")] == [["a.txt", "b.txt"]] * 2


def test_instances_can_be_pinned(toy, run):
    machine = Machine(code=Code(TOYS, {}), pin=True)
    execution = run(toy.pipeline(toy.step("look", ["show"], [toy.source(RAW)], instances=2)), machine)
    assert shown(execution)["processors"] == 1
    assert len(os.sched_getaffinity(0)) > 1 or os.cpu_count() == 1


def test_parameters_have_their_types(toy, sdk, run):
    rate, keep = sdk.ParameterFloat("Rate", default_value=0.5), sdk.ParameterBoolean("Keep", default_value=False)
    step = toy.step("first", ["copy"], [toy.source(RAW)])
    conditions = [sdk.ConditionGreaterThan(left=rate, right=0.7), sdk.ConditionEquals(left=keep, right=True)]
    fail = sdk.FailStep("no", error_message="both")
    gate = sdk.ConditionStep("gate", conditions=conditions, if_steps=[fail], else_steps=[], depends_on=[step])
    pipeline = toy.pipeline(step, gate, parameters=[rate, keep])
    assert run(pipeline).status == "Succeeded"
    assert run(pipeline, Rate="0.8").status == "Succeeded"
    assert run(pipeline, Rate="0.8", Keep="true").reason == "both"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Nope": "1"}, "unknown parameter 'Nope': there are Count, Size, Needed"),
        ({"Needed": "x", "Count": "many"}, "parameter 'Count': 'many' is no Integer"),
        ({"Needed": "x", "Size": "huge"}, "parameter 'Size': 'huge' is none of small, large"),
        ({}, "Parameter 'Needed' is undefined."),
        ({"Needed": ""}, 'Parameter Needed value "" is too short'),
    ],
)
def test_a_wrong_parameter_starts_nothing(toy, sdk, run, tmp_path, given, said):
    count, needed = sdk.ParameterInteger("Count", default_value=1), sdk.ParameterString("Needed")
    size = sdk.ParameterString("Size", default_value="small", enum_values=["small", "large"])
    pipeline = toy.pipeline(toy.step("a", ["copy", needed], [toy.source(RAW)]), parameters=[count, size, needed])
    with pytest.raises(UsageError) as error:
        run(pipeline, **given)
    assert said in str(error.value)
    assert not list((tmp_path / "executions").glob("*/execution.json"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": "registry/xgboost:1"}, ["image 'registry/xgboost:1'", "opt/counterfoil/main.py", "one of: toy"]),
        ({"image": "r/counterfoil-none:1"}, ["image 'r/counterfoil-none:1'"]),
        ({"entrypoint": ["bash", "run.sh"]}, ["counterfoil-toy:1.0", "['bash', 'run.sh']"]),
    ],
)
def test_an_unknown_container_is_refused_before_the_first_step(toy, run, changes, said):
    first = toy.step("first", ["copy"], [toy.source(RAW)])
    second = toy.step("second", ["copy"], [toy.source(toy.out(first))], **changes)
    with pytest.raises(PipelineError) as error:
        run(toy.pipeline(first, second))
    assert all(part in str(error.value) for part in said)
    assert run.events == []


def test_another_bucket_is_refused_before_the_first_step(toy, run):
    first = toy.step("first", ["copy"], [toy.source(RAW)])
    second = toy.step("second", ["copy"], [toy.source("s3://elsewhere/x")], depends_on=[first])
    with pytest.raises(PipelineError, match="'s3://elsewhere/x' is not in 's3://counterfoil-local'"):
        run(toy.pipeline(first, second))
    assert run.events == []


def test_raw_files_may_lie_anywhere(toy, sdk, run, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("else where")
    (elsewhere / "x.txt").write_text("x")
    uri = sdk.ParameterString("RawUri")
    pipeline = toy.pipeline(toy.step("look", ["show"], [toy.source(uri)]), parameters=[uri])
    for given in (str(elsewhere), elsewhere.as_uri(), str(elsewhere / "x.txt")):
        assert shown(run(pipeline, RawUri=given))["inputs"] == {"x.txt": "x"}
