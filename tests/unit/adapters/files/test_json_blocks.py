"""Lines of JSON that are written alike are read at once just as they are read one by one."""

import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files import json_blocks, jsonl_files, record_batches
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.json_blocks import Blocks, Shapes
from counterfoil.adapters.files.json_shapes import Lines, shape_of
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.errors import MappingError

MAPPING = """
[file]
format = "jsonl"
null_values = ["", "-"]
[fields]
event_time = "at"
amount = "order.amount"
merchant = "shop"
account = ["a.b", "who"]
"""
READER = InputFiles()
NUMBERS = ("0", "-0", "12.50", "1e3", "1E-3", "12345678901234567.89", "9" * 30, "true", "false", "null")
NOT_BARE = ("01", "1.", ".5", "+1", "NaN", "-Infinity", "nul", "", "1 2", "[1]", "[1, 2]", "{}", '{"amount": 1}', "'x'")
TEXTS = (
    '"Shop"',
    '""',
    '"-"',
    '"null"',
    '"Café"',
    "\"a, 'b': 1\"",
    '"\\u00e9"',
    '"a\\"b"',
    '"\\ud800"',
    '"a\tb"',
    '"}"',
)
SHAPES = (
    '{{"at": {0}, "order": {{"amount": {1}, "x": {2}}}, "shop": {0}, "who": {2}}}',
    '{{"at":{0},"order":{{"amount":{1}}},"shop":{0},"who":{0},"a":{{"b":{1}}}}}',
    '{{"at": {0}, "order.amount": {1}, "order": {{"amount": {2}}}, "a.b": {0}}}',
    '{{"who": {0}, "at": {0}, "list": [{1}, {2}], "empty": {{}}, "shop": {1}}}',
    '{{"at": {0}, "at": {1}}}',
    '{{"at": {0}, "shop": {1}}}{{"at": {2}}}',
    '  {{ "at" : {0} , "shop" : {1} }} ',
    "[{0}, {1}]",
    '{{"at": {0}, "shop": {1},}}',
    "{0}",
    "",
)


def mapping() -> SourceMapping:
    return parse_mapping(MAPPING, "shop")


def values() -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(NOT_BARE),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(partial(json.dumps, ensure_ascii=False)),
    )  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Lines of a few shapes, with ordinary values but for some."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    lines = []
    for _ in range(draw(st.integers(1, 12))):
        odd = draw(st.integers(0, 3)) == 0
        cells = [draw(values() if odd else st.sampled_from((TEXTS[0], *NUMBERS[:3]))) for _ in range(3)]
        lines.append(draw(st.sampled_from(shapes)).format(*cells))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    content = (end.join(lines) + draw(st.sampled_from(["", end]))).encode()
    if draw(st.integers(0, 3)) == 0 and content:
        place = draw(st.integers(0, len(content) - 1))
        content = (
            content[:place] + draw(st.sampled_from([b"\xff", b"\0", b"\\", b'"', b"\n", b"7"])) + content[place + 1 :]
        )
    return content


@pytest.fixture(params=[2, 16_384])
def _eager(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Every line may be read at once, and batches end within shapes or not."""
    monkeypatch.setattr(jsonl_files, "FEWEST_LINES", 1)
    monkeypatch.setattr(json_blocks, "FEWEST_ROWS", 1)
    monkeypatch.setattr(record_batches, "ROWS", request.param)


def outcome(path: Path) -> object:
    try:
        batches = list(READER.batches(path, mapping()))
    except MappingError as error:
        return str(error)
    rows = [
        (line, tuple(row.values()))
        for batch in batches
        for line, row in zip(batch.lines.to_pylist(), batch.table.to_pylist(), strict=True)
    ]
    for batch in batches:
        batch.table.validate(full=True)
    return rows, [tuple(row.values()) for batch in batches for row in batch.rejected.to_pylist()]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(b'{"at": 1, "who": 2}\n{"at": 1, "who": 2]\n{"at": 1, "who": 2}\n')
@example(b"\n \n")
@example(b'{"at": 1}\n{"at": 1} \n{"at": 1}x\n{"at": 1}\r\n')
@example(b'{"at": "x"}\n{"at": "y"}\n{"at": "y"} 5\n{"at": "y"}]\n')
@example(b'{"at": "x"}\n{"at": "\xff"}\n')
@example(b'{"at": 1, "shop": "x"}\n{"at": 1}{"shop": "x"}\n{"at": 2, "shop": "y"}\n')
@given(content=files())
@pytest.mark.usefixtures("_eager")
def test_lines_are_read_at_once_as_they_are_one_by_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    at_once = outcome(path)
    assert all(batch.records for batch in READER.batches(path, mapping()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl_files, "FEWEST_LINES", 1 << 40)
        assert at_once == outcome(path)


def test_lines_of_one_shape_are_read_at_once() -> None:
    content = b"".join(
        b'{"at": "%d", "shop": {"x": null, "name": "Caf\xc3\xa9"}, "n": [%d]}\r\n' % (row, row) for row in range(100)
    )
    shapes = Shapes(["at", "shop.name", "none", "shop.x"], [""], [])
    rows, table = shapes.read(Lines(content, np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))))
    assert rows.tolist() == list(range(100))
    assert table["at"].to_pylist() == [str(row) for row in range(100)]
    assert set(table["shop.name"].to_pylist()) == {"Café"}
    assert table["none"].null_count == table["shop.x"].null_count == 100


@pytest.mark.parametrize(
    "line",
    [b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[1]", b'{"a": [1, 2]}', b'{"a": "\xff"}', b'{"a": 1', b"\xef\xbb\xbf{}"],
)
def test_some_lines_are_no_shape(line: bytes) -> None:
    assert shape_of(line) is None


def test_a_column_that_may_stand_in_two_places_is_left_to_the_reader_of_single_lines() -> None:
    shape = shape_of(b'{"a.b": {"c": 1}, "a": {"b": {"c": 2}, "d": {}}, "e": 3, "e.f": 4, "l": []}')
    assert shape is not None
    names = ("a.b.c", "a.d", "a", "l", "e", "e.f", "none")
    assert [name for name in names if shape.serves([name])] == ["e", "e.f", "none"]


def test_blocks_hold_whole_lines_and_what_is_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_blocks, "_BLOCK_BYTES", 16)
    monkeypatch.setattr(record_batches, "ROWS", 3)
    first = b"a\nb\nc\nd\n" + b"e" * 12 + b"\nff\n"
    blocks = Blocks(io.BytesIO(first + b"g" * 40 + b"\nh"), longest=12)
    found = [block for block, _ in blocks]
    assert b"".join(found) == first
    assert found[0] == b"a\nb\nc\n"
    assert all(block.endswith(b"\n") for block in found)
    assert blocks.rest is not None
    assert blocks.rest.read() == b"g" * 40 + b"\nh"
    assert [(block, breaks.tolist()) for block, breaks in Blocks(io.BytesIO(b"a\nbc\nd"), longest=12)] == [
        (b"a\nbc\n", [1, 4]),
        (b"d", []),
    ]
