"""Of JSON and ISO 20022 as many records arrive as their writer wrote, whatever stands in the values."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_formats import FORMATS, NAMES, require_accounted_for
from written_records import Written, write_json, write_pacs008

WRITERS: dict[str, Callable[[Random], Written]] = {
    "jsonl": lambda rng: write_json(NAMES, rng),
    "iso20022": write_pacs008,
}


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_as_many_records_are_read_as_were_written(name: str, tmp_path: Path, seed: int) -> None:
    written = WRITERS[name](Random(seed))
    form = next(form for form in FORMATS if form.name == name)
    accounted = require_accounted_for(written.content, replace(form, count=lambda _: written.records), tmp_path / "in")
    assert accounted is not None
    assert accounted.records == written.records
