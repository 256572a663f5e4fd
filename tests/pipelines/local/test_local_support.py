"""Every refused feature is refused, before anything runs; and the list names every type of step there is."""

import pytest

from counterfoil.errors import PipelineError
from pipelines.local.support import SUPPORT, check_support

pytestmark = [pytest.mark.xdist_group("local_session"), pytest.mark.usefixtures("raw")]
REFUSED = [feature for feature in SUPPORT if not feature.supported]


def placed(path, value):
    """A request that has `value` at `path`."""
    name, _, rest = path.partition(".")
    inner = placed(rest, value) if rest else value
    return {name.removesuffix("[]"): [inner] if name.endswith("[]") else inner}


@pytest.mark.parametrize("feature", REFUSED, ids=lambda feature: f"{feature.area}: {feature.name}")
def test_each_refused_feature_is_refused_by_name(feature):
    with pytest.raises(PipelineError) as error:
        check_support([{"Name": "encode", "Type": "Processing", **placed(feature.path, feature.example)}])
    assert "step 'encode'" in str(error.value)
    assert feature.name in str(error.value)
    assert feature.note in str(error.value)


def test_what_is_supported_is_not_refused():
    check_support([{
        "Name": "a", "Type": "Processing", "DependsOn": [], "Processor": "Processor",
        "Arguments": {
            "ProcessingInputs": [{"S3Input": {
                "S3InputMode": "File", "S3CompressionType": "None", "LocalPath": "/opt/ml/processing/input/x",
            }}],
            "ProcessingOutputConfig": {"Outputs": [{"AppManaged": False, "S3Output": {
                "S3UploadMode": "EndOfJob", "LocalPath": "/opt/ml/processing/output/x",
            }}]},
        },
    }])  # fmt: skip


@pytest.mark.usefixtures("sdk")
def test_every_type_of_step_is_in_the_list():
    from sagemaker.mlops.workflow.steps import StepTypeEnum

    named = {feature.name.removesuffix(" step") for feature in SUPPORT if feature.area == "Step"}
    assert {kind.value for kind in StepTypeEnum} == named


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"s3_input_mode": "Pipe"}, "step 'second' (Processing): Pipe mode"),
        ({"s3_compression_type": "Gzip"}, "step 'second' (Processing): Gzip"),
        ({"local_path": "/data"}, "step 'second' (Processing): Paths outside /opt/ml/processing"),
    ],
)
def test_a_pipeline_is_refused_before_its_first_step(toy, run, changes, said):
    first = toy.step("first", ["copy"], [toy.source("s3://counterfoil-local/raw")])
    second = toy.step("second", ["copy"], [toy.source(toy.out(first), **changes)])
    with pytest.raises(PipelineError) as error:
        run(toy.pipeline(first, second))
    assert said in str(error.value)
    assert run.events == []


def test_a_step_of_another_type_is_refused(toy, sdk, run):
    from sagemaker.core.lambda_helper import Lambda
    from sagemaker.mlops.workflow.lambda_step import LambdaStep

    function = Lambda(function_arn="arn:aws:lambda:eu-west-1:000000000000:function:f", session=sdk.session)
    called = LambdaStep("notify", lambda_func=function)
    gate = sdk.ConditionStep(
        "gate", conditions=[sdk.ConditionEquals(left="a", right="a")], if_steps=[called], else_steps=[]
    )
    with pytest.raises(PipelineError, match=r"step 'notify' \(Lambda\): Lambda step"):
        run(toy.pipeline(toy.step("first", ["copy"], [toy.source("s3://counterfoil-local/raw")]), gate))


def test_a_processor_that_uploads_its_code_is_refused(toy, sdk, run, tmp_path):
    from sagemaker.core.processing import ScriptProcessor

    script = tmp_path / "script.py"
    script.write_text("")
    processor = ScriptProcessor(
        role="arn:aws:iam::000000000000:role/toy", image_uri="r/counterfoil-toy:1", command=["python"],
        instance_count=1, instance_type="ml.m5.xlarge", sagemaker_session=sdk.session,
    )  # fmt: skip
    step = sdk.ProcessingStep("script", step_args=processor.run(code=str(script)))
    with pytest.raises(PipelineError, match=r"step 'script' \(Processing\): ScriptProcessor"):
        run(toy.pipeline(step))


def test_what_start_pipeline_execution_takes_else_is_refused(toy, tmp_path):
    from pipelines.local.run import run_pipeline

    pipeline = toy.pipeline(toy.step("first", ["copy"], [toy.source("s3://counterfoil-local/raw")]))
    with pytest.raises(PipelineError, match="SelectiveExecutionConfig"):
        run_pipeline(lambda _: pipeline, "toy", tmp_path, {}, start={"SelectiveExecutionConfig": {"SelectedSteps": []}})
