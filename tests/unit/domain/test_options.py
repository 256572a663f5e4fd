"""What a step may be told: one declaration, read as flags, as parameters and as values."""

from datetime import UTC, datetime
from typing import Any

import pytest

from counterfoil.domain.evaluation.gate import GateRules
from counterfoil.domain.options import Kind, Option, options_of, text_of
from counterfoil.errors import UsageError
from counterfoil.steps import options as steps
from counterfoil.steps.options import EvaluateOptions, FeaturesOptions, TrainOptions

STEPS = [*(value for name, value in vars(steps).items() if name.endswith("Options")), GateRules]


def option_of(step: type, name: str) -> Option:
    return {one.name: one for one in options_of(step)}[name]


def test_names_follow_from_the_field() -> None:
    delay = option_of(FeaturesOptions, "label_delay_days")
    assert (delay.flag, delay.parameter, delay.required) == ("--label-delay-days", "LabelDelayDays", False)
    assert option_of(FeaturesOptions, "mapping").required


@pytest.mark.parametrize("step", STEPS)
def test_a_default_as_text_is_the_same_value_again(step: type) -> None:
    for one in options_of(step):
        if not one.required and one.kind not in (Kind.NUMBER, Kind.SHARE, Kind.COUNT):
            assert one.value(text_of(one.default)) == one.default
        assert one.required or one.kind.fits(text_of(one.default))


@pytest.mark.parametrize(
    ("step", "name", "text", "value"),
    [
        (TrainOptions, "until", "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (TrainOptions, "until", "-", None),
        (EvaluateOptions, "champion", "-", None),
        (EvaluateOptions, "champion", "champion", "champion"),
        (TrainOptions, "mapping", "-", "-"),
    ],
)
def test_a_text_is_the_value_that_the_step_knows(step: type, name: str, text: str, value: Any) -> None:
    assert option_of(step, name).value(text) == value


@pytest.mark.parametrize(
    ("step", "name", "text"),
    [
        (TrainOptions, "until", "20260131"), (TrainOptions, "until", "2026-02-30"), (FeaturesOptions, "scope", "some"),
        (steps.PublishOptions, "allow_failed_files", "True"), (steps.RegisterOptions, "alias", "champion"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(step: type, name: str, text: str) -> None:
    declared = option_of(step, name)
    with pytest.raises(UsageError, match=f"{declared.flag} is '{text}': give .*'"):
        declared.value(text)


def test_days_include_both_ends_and_are_not_reversed() -> None:
    first, last = datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
    span = TrainOptions(mapping="m", since=first, until=last).period
    assert (span.since, span.until) == (first, datetime(2026, 2, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="before it begins on 2026-01-31"):
        _ = TrainOptions(mapping="m", since=last, until=first).period
    with pytest.raises(UsageError, match="no label of a payment from 2026-01-31 on was known by 2026-01-30"):
        _ = TrainOptions(mapping="m", since=last, known_until=first).period
