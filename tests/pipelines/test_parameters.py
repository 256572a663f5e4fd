"""The parameters of the pipelines are checked before anything starts, all at once and in words."""

import pytest

from counterfoil.errors import UsageError
from counterfoil.workspace.settings import PipelineSettings
from pipelines.parameters import check_values, parameters

SETTINGS = PipelineSettings(instance_type="ml.c5.large", gpu_instance_type="ml.g5.xlarge")
TRAINING = {
    "RawUri": "s3://bucket/raw", "InputVersion": "v1", "Mapping": "ulb-credit-card",
    "TrainUntil": "2026-03-01", "EvaluateFrom": "2026-03-02",
}  # fmt: skip
DETECTION = {"RawUri": "s3://bucket/raw", "InputVersion": "v1", "Mapping": "ulb-credit-card"}


@pytest.mark.parametrize(("name", "given"), [("training", TRAINING), ("detection", DETECTION)])
def test_what_has_no_default_suffices(name: str, given: dict[str, str]) -> None:
    check_values(name, SETTINGS, given)
    assert set(given) == {p.name for p in parameters(name, SETTINGS) if p.default is None}


@pytest.mark.parametrize("name", ["training", "detection"])
def test_defaults_are_values_that_are_taken(name: str) -> None:
    required = TRAINING if name == "training" else DETECTION
    defaults = {p.name: p.default for p in parameters(name, SETTINGS) if p.default is not None}
    check_values(name, SETTINGS, {**required, **defaults})


def test_instance_types_are_those_of_the_settings() -> None:
    defaults = {p.name: p.default for p in parameters("training", SETTINGS)}
    assert (defaults["InstanceType"], defaults["GpuInstanceType"]) == ("ml.c5.large", "ml.g5.xlarge")


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        check_values("detection", SETTINGS, {"RawUri": "s3://bucket/raw", "Relase": "x", "DetectInstances": "0"})
    message = str(refused.value)
    assert "unknown: Relase" in message
    assert "missing: InputVersion, Mapping" in message
    assert "DetectInstances is '0'" in message
    assert "there are: RawUri, InputVersion, Mapping, AllowFailedFiles, LabelDelayDays, Release" in message


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("RawUri", "bucket/raw"), ("RawUri", "s3://bucket"), ("RawUri", "s3://bucket/"), ("RawUri", "/data/raw"),
        ("TrainUntil", "2026-02-30"), ("TrainUntil", "20260228"), ("TrainUntil", "1.3.2026"), ("TrainUntil", ""),
        ("LabelDelayDays", "-1"), ("LabelDelayDays", "nan"), ("LabelDelayDays", "1e3"), ("LabelDelayDays", "٣"),
        ("MinAuc", "1.1"), ("Tolerance", "-0.1"),
        ("MinFrauds", "1.5"), ("MinFrauds", "0"), ("Mapping", " "), ("Mapping", "m" * 257),
        ("Alias", "champion"), ("Alias", "chalenger"),
    ],
)  # fmt: skip
def test_an_unusable_value_is_refused(parameter: str, value: str) -> None:
    with pytest.raises(UsageError, match=parameter):
        check_values("training", SETTINGS, {**TRAINING, parameter: value})


def test_raw_files_may_lie_anywhere_on_this_machine() -> None:
    check_values("training", SETTINGS, {**TRAINING, "RawUri": "/data/raw"}, local=True)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({"TrainFrom": "2026-03-02"}, "TrainFrom 2026-03-02 is after TrainUntil 2026-03-01"),
        ({"EvaluateUntil": "2026-03-01"}, "EvaluateFrom 2026-03-02 is after EvaluateUntil 2026-03-01"),
        ({"EvaluateFrom": "2026-03-01"}, "EvaluateFrom 2026-03-01 must be after TrainUntil 2026-03-01"),
    ],
)
def test_days_out_of_order_are_refused(days: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_values("training", SETTINGS, {**TRAINING, **days})


def test_open_ends_are_in_order() -> None:
    check_values("training", SETTINGS, {**TRAINING, "TrainUntil": "-", "EvaluateFrom": "-"})
