"""Whatever a file holds, it is refused by name or each of its records is accounted for. `make fuzz` looks longer."""

from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from input_formats import FORMATS, Accounted, InputFormat, require_accounted_for
from mutations import mutated, spoilt

RECORDS = {
    "zip": 8,
    "jsonl": 5,
    "json-array": 5,
    "json-objects": 5,
    "json-wrapper": 5,
    **dict.fromkeys(("iso20022", "pacs.009", "pain.008", "pacs.004"), 8),
}
RECORDS |= {"camt.052": 3, "mt942": 6, "mt940": 6, "mt103": 2, "nacha": 3}


EXAMPLES = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)


@each_format
def test_the_good_file_is_read_whole(form: InputFormat, tmp_path: Path) -> None:
    expected = Accounted(RECORDS.get(form.name, 4), counted_twice=True)
    assert require_accounted_for(form.good, form, tmp_path / "in") == expected


@each_format
@EXAMPLES
@given(data=st.data())
def test_a_file_with_wrong_bytes_is_refused_or_accounted_for(
    form: InputFormat, tmp_path: Path, data: st.DataObject
) -> None:
    require_accounted_for(data.draw(mutated(form)), form, tmp_path / "in")


@each_format
@EXAMPLES
@given(data=st.data())
def test_a_file_with_wrong_structure_is_refused_or_accounted_for(
    form: InputFormat, tmp_path: Path, data: st.DataObject
) -> None:
    require_accounted_for(data.draw(spoilt(form)), form, tmp_path / "in")
