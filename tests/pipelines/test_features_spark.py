"""The Spark step takes the place of `features`: same name and channels out, the same sources, as a Spark job."""

import json
from typing import Any

import pytest

from counterfoil.workspace.settings import PipelineSettings
from pipelines import builders, catalogue, detection
from pipelines.features_spark import features_on_spark
from pipelines.telemetry import offline_session

# The SDK's Spark processor says so once more when the definition is made.
pytestmark = pytest.mark.filterwarnings("ignore:Running within a PipelineSession")


@pytest.fixture
def with_spark(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The detection pipeline's steps by name, with evidence by Spark."""
    monkeypatch.setattr(detection.build, "features", features_on_spark)
    return steps()


def steps() -> dict[str, Any]:
    settings = PipelineSettings()
    pipeline = catalogue.build("detection", settings, offline_session(settings))
    return {step["Name"]: step for step in json.loads(pipeline.definition())["Steps"]}


def test_the_other_steps_need_not_know(with_spark: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    usual = steps()
    assert with_spark["features"] != usual["features"]
    assert with_spark.keys() == usual.keys()
    assert {name for name in usual if usual[name] != with_spark[name]} == {"features"}
    ours, theirs = (step["features"]["Arguments"]["ProcessingOutputConfig"] for step in (with_spark, usual))
    assert ours == theirs


def test_spark_is_told_where_payments_are_and_where_evidence_goes(with_spark: dict[str, Any]) -> None:
    job = with_spark["features"]["Arguments"]
    arguments = job["AppSpecification"]["ContainerArguments"]
    options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    (evidence, _) = job["ProcessingOutputConfig"]["Outputs"]
    assert arguments[0] == builders.FEATURES.step
    assert options["--lake-uri"] == "s3://counterfoil-local/lake/transactions"
    assert options["--transactions-uri"] == {
        "Get": "Steps.collect.ProcessingOutputConfig.Outputs['transactions'].S3Output.S3Uri"
    }
    assert options["--evidence-uri"] == evidence["S3Output"]["S3Uri"]
    assert job["AppSpecification"]["ContainerEntrypoint"] == [
        "smspark-submit", "/opt/ml/processing/input/code/main.py",
    ]  # fmt: skip
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 4
    assert [channel["InputName"] for channel in job["ProcessingInputs"]] == ["code"]
