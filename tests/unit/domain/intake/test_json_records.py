"""JSON becomes texts: numbers as they are written, nested values by dotted names, anything odd a reason."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.intake.json_records import MOST_DEPTH, cells, names, parse_record
from counterfoil.domain.intake.raw import BadRecordError


def reason(text: str, *columns: str) -> str:
    with pytest.raises(BadRecordError) as caught:
        cells(parse_record(text), columns)
    return caught.value.reason


@pytest.mark.parametrize(
    "number",
    ["0.10", "12345678901234567890", "-0.0", "1e308", "1E+400", "0.1000000000000000055511151231257827", "9" * 5000],
)
def test_numbers_keep_their_text(number: str) -> None:
    assert cells(parse_record(f'{{"a": {number}, "b": {{"c": {number}}}}}'), ["a", "b.c"]) == [number, number]


def test_values_that_are_no_numbers_become_texts() -> None:
    record = parse_record('{"t": true, "f": false, "n": null, "s": " x ", "e": "", "nan": NaN, "inf": -Infinity}')
    assert cells(record, ["t", "f", "n", "s", "e", "nan", "inf", "absent"]) == [
        "true", "false", None, " x ", "", "NaN", "-Infinity", None,
    ]  # fmt: skip


def test_dotted_names_reach_into_objects_and_a_key_with_a_dot_comes_first() -> None:
    record = parse_record('{"a": {"b": {"c": 1}, "d.e": 2}, "a.b.c": 3, "x.y": {"z": 4}, "s": "text"}')
    assert cells(record, ["a.b.c", "a.d.e", "x.y.z", "a.b.none", "s.t", "none.at.all"]) == ["3", "2", "4", *[None] * 3]
    assert list(names(record)) == ["a.b.c", "a.d.e", "a.b.c", "x.y.z", "s"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "json_broken"),
        ('{"a": 1', "json_broken"),
        ('{"a": 1}{"a": 2}', "json_broken"),
        ('{"a": 01}', "json_broken"),
        ("{'a': 1}", "json_broken"),
        ('{"a": "x\ny"}', "json_broken"),
        ('{"a": "\\x"}', "json_broken"),
        ("[1]", "json_not_object"),
        ("null", "json_not_object"),
        ('"text"', "json_not_object"),
        ('{"a": 1, "a": 2}', "json_key_doubled"),
        ('{"z": {"b": 1, "b": 1}}', "json_key_doubled"),
        ('{"a": {"b": 1}}', "json_nested_value"),
        ('{"a": [1]}', "json_nested_value"),
        ('{"a": "\\ud800"}', "text_unreadable"),
        ('{"z": ' + "[" * MOST_DEPTH + "]" * MOST_DEPTH + "}", "json_too_deep"),
        ('{"z": ' + "[" * 900_000, "json_too_deep"),
    ],
)
def test_what_is_odd_has_a_reason(text: str, expected: str) -> None:
    assert reason(text, "a") == expected


def test_many_brackets_are_not_deep() -> None:
    lists = "[" + ",".join(["[]"] * 200) + "]"
    assert cells(parse_record(f'{{"z": {lists}, "s": "{"[" * 200}\\"[", "a": 1}}'), ["a"]) == ["1"]


@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, '{"a":' + '"[' * 400_000, "[" * 70 + '\\"' * 400_000])
def test_long_nonsense_is_refused_at_once(text: str) -> None:
    start = time.process_time()
    assert reason(text, "a").startswith("json_")
    assert time.process_time() - start < 2


def test_messages_quote_nothing() -> None:
    for text in (
        '{"a": secret}',
        '{"secret": 1, "secret": 2}',
        '"secret"',
        '{"a": {"secret": 1}}',
        '{"a":"secret\\ud800"}',
    ):
        with pytest.raises(BadRecordError) as caught:
            cells(parse_record(text), ["a"])
        assert "secret" not in caught.value.message


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", max_size=3), VALUE, max_size=4))
def test_any_object_has_its_values_at_its_names(value: dict[str, Any]) -> None:
    record = parse_record(json.dumps(value))
    columns = list(names(record))
    assert len(cells(record, columns)) == len(columns)
    plain = {key: item for key, item in value.items() if isinstance(item, str)}
    assert cells(record, list(plain)) == list(plain.values())


@given(st.text() | VALUE.map(json.dumps))
def test_any_text_is_a_record_or_has_a_reason(text: str) -> None:
    try:
        record = parse_record(text)
    except BadRecordError as why:
        found = why.reason
    else:
        found = "a record" if isinstance(record, dict) else "something else"
    assert found == "a record" or found.startswith("json_")
