"""Of delimited text as many records arrive as its writer wrote, whatever stands in the cells."""

from pathlib import Path
from random import Random

from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_formats import FIELDS, NAMES, InputFormat, require_accounted_for
from spoilt_csv import spoil_csv
from written_csv import write_csv


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_as_many_records_are_read_as_were_written(tmp_path: Path, seed: int) -> None:
    written = write_csv(NAMES, Random(seed))
    mapping = f"[file]\n{written.style}{FIELDS.format(time='iso8601')}"
    form = InputFormat(
        "written", mapping, lambda: written.content, (), lambda content, rng: spoil_csv(content, rng),
        lambda _: written.records,
    )  # fmt: skip
    accounted = require_accounted_for(written.content, form, tmp_path / "in")
    assert accounted is not None
    assert accounted.records == written.records
