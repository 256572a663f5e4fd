"""The pipelines' definitions: the same on each machine, and whole.

A snapshot is renewed with `COUNTERFOIL_RENEW_SNAPSHOTS=1 pytest tests/pipelines/test_definitions.py`; what changed is
then in `git diff`.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.workspace.settings import LOCAL_BUCKET, PipelineSettings
from pipelines import catalogue
from pipelines.parameters import parameters

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
UPSTREAM = re.compile(r"Steps\.(\w+)\.ProcessingOutputConfig\.Outputs\['(\w+)'\]\.S3Output\.S3Uri")
_READ = (("features", "transactions"), ("features", "labels"), ("detect", "transactions"))
CHOSEN = {
    **{(step, f"lake-{table}"): [table, "keys.json"] for step, table in _READ},
    **{(step, "history"): [] for step in ("features", "detect")},
}
"""What collect has chosen for a step, and where below its channel `history`."""
LARGEST_REQUEST = 100 * 1024  # beyond it the SDK puts the definition into a bucket

Definition = Callable[[str], dict[str, Any]]
both = pytest.mark.parametrize("name", catalogue.PIPELINES)


def all_steps(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The steps of a definition, those of both branches of a condition too."""
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from all_steps([*step["Arguments"]["IfSteps"], *step["Arguments"]["ElseSteps"]])


def jobs(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["Name"]: step for step in all_steps(definition["Steps"]) if step["Type"] == "Processing"}


def inputs(step: dict[str, Any]) -> dict[str, Any]:
    return {item["InputName"]: item["S3Input"] for item in step["Arguments"]["ProcessingInputs"]}


def upstream(uri: Any) -> tuple[str, str] | None:
    """Step and output channel that a URI refers to, or that it lies below."""
    if isinstance(uri, dict) and "Std:Join" in uri:
        return upstream(uri["Std:Join"]["Values"][0])
    found = UPSTREAM.fullmatch(uri["Get"]) if isinstance(uri, dict) and "Get" in uri else None
    return (found[1], found[2]) if found else None


def before(definition: dict[str, Any], name: str) -> set[str]:
    """The steps that must have ended before `name` starts."""
    step = jobs(definition)[name]
    direct = {found[0] for item in inputs(step).values() if (found := upstream(item["S3Uri"]))}
    direct |= set(step.get("DependsOn", ()))
    return direct.union(*(before(definition, earlier) for earlier in direct))


@both
def test_definition_is_the_snapshot(name: str, settings: PipelineSettings) -> None:
    text = catalogue.definition(name, settings)
    kept = SNAPSHOTS / f"{name}.json"
    if os.environ.get("COUNTERFOIL_RENEW_SNAPSHOTS"):
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), f"renew it: {__doc__}"


@both
def test_definition_fits_into_a_request(name: str, definition: Definition) -> None:
    assert len(json.dumps(definition(name))) < LARGEST_REQUEST


@both
def test_arguments_are_texts_or_parameters_and_never_empty(name: str, definition: Definition) -> None:
    declared = {parameter["Name"] for parameter in definition(name)["Parameters"]}
    for step, job in jobs(definition(name)).items():
        first, *options = job["Arguments"]["AppSpecification"]["ContainerArguments"]
        assert first == step
        for option, value in zip(options[::2], options[1::2], strict=True):
            assert re.fullmatch(r"--[a-z-]+", option)
            assert value["Get"].removeprefix("Parameters.") in declared if isinstance(value, dict) else value


@both
def test_inputs_are_written_by_an_earlier_step_or_lie_in_the_lake_or_are_the_raw_files(
    name: str, definition: Definition
) -> None:
    steps = jobs(definition(name))
    for step, job in steps.items():
        for channel, source in inputs(job).items():
            assert source["LocalPath"].removeprefix("/opt/ml/processing/input/").replace("/", "-") == channel
            uri = source["S3Uri"]
            if channel == "raw":
                assert uri == {"Get": "Parameters.RawUri"}
            elif (step, channel) in CHOSEN:
                values = uri["Std:Join"]["Values"]
                assert (upstream(uri), values[1:]) == (("collect", "history"), [step, *CHOSEN[step, channel]])
                assert uri["Std:Join"]["On"] == "/"
            elif channel.startswith("lake-"):
                assert uri == f"s3://counterfoil-test/lake/{channel.removeprefix('lake-')}"
            else:
                writer, written = upstream(uri) or pytest.fail(f"{step}: {channel} comes from {uri}")
                outputs = steps[writer]["Arguments"]["ProcessingOutputConfig"]["Outputs"]
                assert written == channel
                assert written in {output["OutputName"] for output in outputs}


@both
def test_only_collect_and_curate_are_carried_all_payments_of_the_lake(name: str, definition: Definition) -> None:
    kinds = {
        step: source["S3DataType"]
        for step, job in jobs(definition(name)).items()
        for channel, source in inputs(job).items()
        if channel == "lake-transactions"
    }
    chosen = {step: "ManifestFile" for step, channel in CHOSEN if step in kinds and channel == "lake-transactions"}
    assert kinds == {"collect": "S3Prefix", "curate": "S3Prefix", **chosen}


@both
def test_outputs_lie_below_the_execution(name: str, definition: Definition) -> None:
    for step, job in jobs(definition(name)).items():
        for output in job["Arguments"]["ProcessingOutputConfig"]["Outputs"]:
            place = output["S3Output"]["S3Uri"]["Std:Join"]
            execution = {"Get": "Execution.PipelineExecutionId"}
            assert place == {
                "On": "/", "Values": ["s3://counterfoil-test/executions", execution, step, output["OutputName"]]
            }  # fmt: skip


@both
def test_jobs_stay_within_what_sagemaker_takes(name: str, definition: Definition) -> None:
    for job in jobs(definition(name)).values():
        assert len(job["Arguments"]["ProcessingInputs"]) <= 10
        assert len(job["Arguments"]["ProcessingOutputConfig"]["Outputs"]) <= 10
        assert job["Arguments"]["StoppingCondition"]["MaxRuntimeInSeconds"] <= 5 * 86_400


@both
def test_lake_tables_are_those_that_are_made_sure_of(name: str, definition: Definition) -> None:
    channels = {channel for job in jobs(definition(name)).values() for channel in inputs(job)}
    lake = {channel.removeprefix("lake-") for channel in channels if channel.startswith("lake-")}
    assert lake == set(catalogue.LAKE_TABLES)


@both
def test_only_steps_without_effects_on_others_are_cached(name: str, definition: Definition) -> None:
    cached = {step: job["CacheConfig"] for step, job in jobs(definition(name)).items()}
    assert {config["ExpireAfter"] for config in cached.values()} == {"P30D"}
    always = {"publish", "register", "insights"}
    assert {step for step, config in cached.items() if not config["Enabled"]} == always & set(cached)


@both
def test_retries_are_for_what_may_pass_by_itself(name: str, definition: Definition) -> None:
    for job in jobs(definition(name)).values():
        caught = [reason for policy in job["RetryPolicies"] for reason in policy["ExceptionType"]]
        assert sorted(caught) == [
            "SageMaker.CAPACITY_ERROR", "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.RESOURCE_LIMIT",
            "Step.SERVICE_FAULT", "Step.THROTTLING",
        ]  # fmt: skip
        assert all(policy["BackoffRate"] > 1 for policy in job["RetryPolicies"])


@both
def test_roles_tags_images_and_instances(name: str, definition: Definition, settings: PipelineSettings) -> None:
    for step, job in jobs(definition(name)).items():
        arguments = job["Arguments"]
        assert arguments["RoleArn"] == settings.step_roles.get(step, settings.role)
        assert arguments["Tags"] == [
            {"Key": "cost-centre", "Value": "fraud"}, {"Key": "project", "Value": "counterfoil"}
        ]  # fmt: skip
        container = {"collect": "collector", "curate": "curation"}.get(step, "detector")
        assert arguments["AppSpecification"]["ImageUri"] == f"{settings.registry}/counterfoil-{container}:0.1.0"
        kind = "GpuInstanceType" if step in ("train", "evaluate", "detect") else "InstanceType"
        assert arguments["ProcessingResources"]["ClusterConfig"]["InstanceType"] == {"Get": f"Parameters.{kind}"}


def test_detect_shares_the_evidence_among_its_instances(definition: Definition) -> None:
    sharded = {
        (step, channel)
        for step, job in jobs(definition("detection")).items()
        for channel, source in inputs(job).items()
        if source["S3DataDistributionType"] == "ShardedByS3Key"
    }
    detect = jobs(definition("detection"))["detect"]["Arguments"]["ProcessingResources"]["ClusterConfig"]
    assert sharded == {("detect", "evidence")}
    assert detect["InstanceCount"] == {"Get": "Parameters.DetectInstances"}
    instances = {p["Name"]: p for p in definition("detection")["Parameters"]}["DetectInstances"]
    assert instances == {"Name": "DetectInstances", "Type": "Integer", "DefaultValue": 1}


def test_order_of_training(definition: Definition) -> None:
    whole = definition("training")
    assert before(whole, "curate") == before(whole, "features") == {"collect"}
    assert before(whole, "publish") == {"collect", "curate", "features"}
    assert before(whole, "register") >= {"collect", "features", "train", "evaluate", "gate"}


def test_order_of_detection(definition: Definition) -> None:
    whole = definition("detection")
    assert before(whole, "detect") == {"collect", "features"}
    assert before(whole, "publish") == {"collect", "curate", "features", "detect"}
    assert before(whole, "report") >= {"detect", "publish"}
    assert before(whole, "insights") == before(whole, "publish") | {"publish"}


def test_detection_runs_the_insight_notebook_on_aws_and_here_if_it_is_asked_to(definition: Definition) -> None:
    declared = {one["Name"]: one.get("DefaultValue") for one in definition("detection")["Parameters"]}
    assert (NOTEBOOKS / f"{declared['Notebook']}.ipynb").is_file()
    arguments = jobs(definition("detection"))["insights"]["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert arguments == ["insights", "--notebook", {"Get": "Parameters.Notebook"}]
    here = {one.name: one.default for one in parameters("detection", PipelineSettings(bucket=LOCAL_BUCKET))}
    assert here["Notebook"] == "-"


def test_the_gate_decides_on_the_verdict_and_fails_with_its_summary(definition: Definition) -> None:
    decided = definition("training")["Steps"][-1]["Arguments"]

    def verdict(path: str) -> dict[str, Any]:
        return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.gate.PropertyFiles.verdict"}, "Path": path}}

    assert decided["Conditions"] == [{"Type": "Equals", "LeftValue": verdict("passed"), "RightValue": True}]
    assert [step["Name"] for step in decided["IfSteps"]] == ["register"]
    assert [(step["Type"], step["Arguments"]) for step in decided["ElseSteps"]] == [
        ("Fail", {"ErrorMessage": verdict("summary")})
    ]
    assert jobs(definition("training"))["gate"]["PropertyFiles"] == [
        {"PropertyFileName": "verdict", "OutputName": "verdict", "FilePath": "verdict.json"}
    ]


@both
def test_containers_know_the_lake_and_send_no_usage_data(name: str, definition: Definition) -> None:
    for job in jobs(definition(name)).values():
        assert job["Arguments"]["Environment"] == {
            "COUNTERFOIL_DATABASE_URL_SECRET": "counterfoil/dsn", "COUNTERFOIL_LAKE": "s3://counterfoil-test/lake",
            "DO_NOT_TRACK": "true", "HF_HUB_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        }  # fmt: skip


def test_the_local_bucket_has_no_lake_in_the_environment(settings: PipelineSettings) -> None:
    from pipelines.jobs import environment

    assert "COUNTERFOIL_LAKE" not in environment(settings.model_copy(update={"bucket": LOCAL_BUCKET}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": {"COUNTERFOIL_DATABASE_URL": "postgresql://u:hunter2@h/d"}}, "COUNTERFOIL_DATABASE_URL"),
        ({"environment": {"COUNTERFOIL_PSEUDONYM_KEY": "hunter2"}}, "COUNTERFOIL_PSEUDONYM_KEY"),
        ({"environment": {"COUNTERFOIL_LAKE": "s3://other/lake"}}, "s3://counterfoil-test/lake"),
        ({"step_roles": {"collct": "arn"}}, "collct"),
    ],
)
def test_settings_that_no_pipeline_can_have_are_refused(
    change: dict[str, Any], words: str, settings: PipelineSettings
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as refused:
        catalogue.definition("training", settings.model_copy(update=change))
    assert "hunter2" not in str(refused.value)


def test_an_unknown_pipeline_is_not_found(settings: PipelineSettings) -> None:
    with pytest.raises(NotFoundError, match="training, detection"):
        catalogue.definition("trainig", settings)


def test_an_empty_container_argument_is_refused(settings: PipelineSettings) -> None:
    from pipelines.builders import PUBLISH
    from pipelines.jobs import Site
    from pipelines.telemetry import offline_session

    site = Site(settings, offline_session(settings), {"InstanceType": "ml.m5.large"})
    with pytest.raises(UsageError, match="'-'"):
        site.step(PUBLISH, [], {"--since": ""})


@both
def test_containers_take_the_arguments_that_steps_give(name: str, definition: Definition) -> None:
    """Each step's options are those of its container's command."""
    from importlib import import_module

    import typer

    for step, job in jobs(definition(name)).items():
        arguments = job["Arguments"]["AppSpecification"]["ContainerArguments"]
        container = re.search(r"counterfoil-(\w+):", job["Arguments"]["AppSpecification"]["ImageUri"])[1]
        group = typer.main.get_command(import_module(f"counterfoil.processing.{container}").app)
        known = {option for parameter in group.commands[step].params for option in parameter.opts}
        assert set(arguments[1::2]) == known - {"--help"}


def test_jobs_run_in_the_network_that_is_named(settings: PipelineSettings) -> None:
    private = settings.model_copy(update={"subnets": ["subnet-1"], "security_groups": ["sg-1"]})
    steps = json.loads(catalogue.definition("detection", private))["Steps"]
    networks = [step["Arguments"]["NetworkConfig"]["VpcConfig"] for step in steps if step["Type"] == "Processing"]
    assert networks == [{"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}] * 7


@pytest.mark.parametrize(
    ("given", "missing"), [({"subnets": ["subnet-1"]}, "SECURITY_GROUPS"), ({"security_groups": ["sg-1"]}, "SUBNETS")]
)
def test_half_a_network_is_refused(settings: PipelineSettings, given: dict[str, list[str]], missing: str) -> None:
    with pytest.raises(UsageError, match=f"COUNTERFOIL_PIPELINE_{missing} is empty"):
        catalogue.definition("detection", settings.model_copy(update=given))
