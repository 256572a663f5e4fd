"""JSON Lines: every line is accounted for with its number, and a bad one costs itself only."""

import gzip
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterfoil.adapters.files import json_pieces, jsonl_files, record_batches
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.mapping_check import column_problems
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError, MappingError

READER = InputFiles()


def mapping_of(file: str = "") -> SourceMapping:
    fields = '[fields]\nevent_time = "t"\namount = "order.amount"\nmerchant = "shop"\n'
    return parse_mapping(f'[file]\nformat = "jsonl"\n{file}\n{fields}', "shop")


def read(folder: Path, content: bytes, mapping: SourceMapping | None = None) -> list[RawBatch]:
    path = folder / "in.jsonl"
    path.write_bytes(content)
    return list(READER.batches(path, mapping or mapping_of()))


def amounts(batches: list[RawBatch]) -> dict[int, str | None]:
    return {
        line: amount
        for batch in batches
        for line, amount in zip(batch.lines.to_pylist(), batch.table["order.amount"].to_pylist(), strict=True)
    }


def rejected(batches: list[RawBatch]) -> list[tuple[int, str]]:
    return [(row["source_line"], row["reason"]) for batch in batches for row in batch.rejected.to_pylist()]


def line(amount: str) -> bytes:
    return b'{"t": "2024-01-01", "order": {"amount": %s}, "x": [1]}\n' % amount.encode()


def test_bad_lines_are_rejected_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    content = line("0.10") + b"\n{broken\r\n  \n" + line("12345678901234567890") + b"\xff\n[]\n" + line("7").rstrip()
    batches = read(tmp_path, b"\xef\xbb\xbf" + content)
    assert amounts(batches) == {1: "0.10", 5: "12345678901234567890", 8: "7"}
    assert rejected(batches) == [(3, "json_broken"), (6, "bytes_unreadable"), (7, "json_not_object")]
    assert batches[0].table.column_names == ["t", "order.amount", "shop"]
    assert batches[0].source == "in.jsonl"


@pytest.mark.parametrize("lines", [1, 300])
def test_a_truth_value_is_no_account_and_no_id(tmp_path: Path, lines: int) -> None:
    fields = '[fields]\nevent_time = "t"\ntransaction_id = "id"\naccount = ["a.bank", "who"]\ncategory = "c"\n'
    mapping = parse_mapping(f'[file]\nformat = "jsonl"\n{fields}', "shop")
    good = b'{"t": 1, "id": "true", "a": {"bank": 1}, "who": 5, "c": true}\n'
    bad = (good.replace(b'"true"', b"true"), good.replace(b"5", b"false"), good.replace(b"1}", b"true}"))
    batches = read(tmp_path, good * lines + b"".join(bad) + good * lines, mapping)
    assert rejected(batches) == [(lines + place, "id_truth_value") for place in (1, 2, 3)]
    assert sum(batch.table.num_rows for batch in batches) == 2 * lines
    assert "column 'who' holds true or false" in str(batches[0].rejected.to_pylist())


def test_a_line_that_is_too_long_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(line("1"))
        for _ in range(40):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + line("2"))
        file.write(b'{"x": "' + b"y" * jsonl_files.MOST_LINE_BYTES)  # no line end
    list(READER.batches(path, mapping_of()))  # what is imported only now is not the reader's
    tracemalloc.start()
    try:
        batches = list(READER.batches(path, mapping_of()))
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert amounts(batches) == {1: "1", 3: "2"}
    assert rejected(batches) == [(2, "line_too_long"), (4, "line_too_long")]


def test_a_mark_at_the_beginning_makes_no_long_line_two(tmp_path: Path) -> None:
    long = b'{"t": "2024-01-01", x"' + b"y" * jsonl_files.MOST_LINE_BYTES + b'"}\n'
    batches = read(tmp_path, b"\xef\xbb\xbf" + long + line("2"))
    assert (amounts(batches), rejected(batches)) == ({2: "2"}, [(1, "line_too_long")])


def test_batches_are_bounded_by_rows_and_by_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "ROWS", 3)
    batches = read(tmp_path, (line("1") * 2 + b"{\n") * 3)
    assert [batch.records for batch in batches] == [3, 3, 3]
    monkeypatch.setattr(record_batches, "_TEXT_LENGTH", 20)
    assert [batch.records for batch in read(tmp_path, line("1" * 20) * 3)] == [1, 1, 1]


def test_null_values_and_the_encoding_are_the_mappings(tmp_path: Path) -> None:
    mapping = mapping_of('null_values = ["-"]\nencoding = "latin-1"')
    (batch,) = read(tmp_path, '{"t": "-", "shop": "Café"}\n'.encode("latin-1"), mapping)
    assert batch.table.to_pylist() == [{"t": None, "order.amount": None, "shop": "Café"}]
    with pytest.raises(MappingError, match=r"file\.encoding 'utf-16' does not go with JSON Lines"):
        mapping_of('encoding = "utf-16"')


def test_columns_are_those_of_the_first_lines_and_only_needed_ones_are_missed(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"{broken\n" + line("1") + b'{"z": null}\n')
    columns = READER.columns(path, mapping_of())
    assert columns == ["t", "order.amount", "z"]
    assert list(column_problems(mapping_of(), columns)) == []
    assert list(column_problems(mapping_of(), ["z"])) == [
        "column 't' is not in the file (columns: z)", "column 'order.amount' is not in the file (columns: z)",
    ]  # fmt: skip
    for content in (b"", b"1,2,3\n", b"{}\n"):
        path.write_bytes(content)
        with pytest.raises(InputFileError, match=r"in\.jsonl: the first lines hold no JSON object"):
            READER.columns(path, mapping_of())


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, b"") == read(tmp_path, b"\n\n") == []


def test_a_bad_byte_costs_its_object_and_not_the_others_on_its_line(tmp_path: Path) -> None:
    bad = line("2").replace(b"2024", b"20\xff24")
    batches = read(tmp_path, line("1").strip() + bad.strip() + line("3") + bad + line("5"))
    assert amounts(batches) == {1: "1", 3: "3", 5: "5"}
    assert rejected(batches) == [(2, "bytes_unreadable"), (4, "bytes_unreadable")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_records_of_a_wrapper_are_read(tmp_path: Path, mark: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_files, "_CHUNK_BYTES", 7)
    wrapped = b'{"Records": [%s, %s\n]}' % (line("1").strip(), line("2").strip())
    content = mark + wrapped + b'{"Records": []}\n{"Records":[{broken},' + line("3") + b'], "next": {"a": ["]", 1]}}'
    batches = read(tmp_path, content)
    assert amounts(batches) == {1: "1", 2: "2", 4: "3"}
    assert rejected(batches) == [(3, "json_broken")]


def test_the_mapping_says_where_the_array_is(tmp_path: Path) -> None:
    mapping = mapping_of('records = "data.items"')
    inner = b'{"t": "x", "order": {"amount": 2}, "items": [{"t": 7}], "data": {"items": [{}]}}'
    start = b' {"n": 2, "page": {"x": [{"items": "}"}]}, "data": {"items2": [{"a": 1}], "items": ['
    content = start + line("1") + b"," + inner + b' ] , "more": null}, "other": "\\"]}"}\n'
    assert amounts(read(tmp_path, content, mapping)) == {1: "1", 2: "2"}
    assert amounts(read(tmp_path, content.replace(b"\n", b"") * 3, mapping)) == dict(enumerate("121212", 1))
    flat = b'{"data": {"items": [{"t": 1}, {"t": 2}], "n": 1}}'
    assert amounts(read(tmp_path, flat, mapping)) == {1: None, 2: None}
    assert read(tmp_path, b"\n", mapping) == []
    for other in (line("1"), b"[" + line("1") + b"]", b'{"data": {"items": {"t": 1}}}'):
        with pytest.raises(
            InputFileError, match=r"in\.jsonl does not begin with an object with an array 'data\.items'"
        ):
            read(tmp_path, other, mapping)
    for wrong in ('records = "a..b"', 'format = "csv"\nrecords = "a"'):
        with pytest.raises(MappingError, match=r"file\.records .* is for JSON"):
            parse_mapping(f'[file]\nformat = "jsonl"\n{wrong}\n'.replace('format = "jsonl"\nformat', "format"), "x")


@pytest.mark.parametrize("start", [b"[", b" [[", b'{"Records": ['])
def test_an_array_that_is_cut_off_between_its_records_is_told(tmp_path: Path, start: bytes) -> None:
    for end in (b"", b",", b" ,\n"):
        batches = read(tmp_path, start + line("1").strip() + b"," + line("2").strip() + end)
        assert (amounts(batches), rejected(batches)) == ({1: "1", 2: "2"}, [(3, "json_cut_off")])
    assert rejected(read(tmp_path, start + b'{"t": 1}, {"t": ')) == [(2, "json_broken")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_json_of_two_bytes_a_sign_is_refused_with_the_way_out(tmp_path: Path, encoding: str) -> None:
    for mark in ("", "\ufeff"):
        with pytest.raises(InputFileError, match=r"in\.jsonl is UTF-16 or UTF-32, and JSON is read as UTF-8: convert"):
            read(tmp_path, (mark + line("1").decode()).encode(encoding))
    assert rejected(read(tmp_path, b"{\0" + line("1") + line("2"))) == [(1, "json_broken")]


def test_objects_one_after_another_without_line_breaks_are_records_each(tmp_path: Path) -> None:
    content = line("1").strip() + line("2").strip() + b" " + line("3") + line("4") + line("5").strip() + b'{"t": '
    batches = read(tmp_path, content)
    assert amounts(batches) == {1: "1", 2: "2", 3: "3", 4: "4", 5: "5"}
    assert rejected(batches) == [(6, "json_broken")]


def test_a_line_of_many_objects_may_be_longer_than_any_object(tmp_path: Path) -> None:
    many = 40_000
    content = b"".join(line(str(n)).strip() for n in range(many)) + b"\n" + line("7")
    assert len(content) > 2 * jsonl_files.MOST_LINE_BYTES
    batches = read(tmp_path, content)
    assert amounts(batches) == {**{n + 1: str(n) for n in range(many)}, many + 1: "7"}
    assert not rejected(batches)


@pytest.mark.parametrize("between", [b",", b" ,\n ", b",\r\n"])
@pytest.mark.parametrize("opening", [b"[", b"\xef\xbb\xbf[\n", b" [ "])
def test_an_array_of_objects_is_read(tmp_path: Path, opening: bytes, between: bytes) -> None:
    pretty = b'{\n  "t": "2024-01-01",\n  "order": {"amount": 1.50}\n}'
    content = opening + between.join([pretty, line("2").strip(), pretty]) + b"\n]\n"
    batches = read(tmp_path, content)
    assert amounts(batches) == {1: "1.50", 2: "2", 3: "1.50"}
    assert not rejected(batches)


def test_a_bad_element_of_an_array_costs_itself_only(tmp_path: Path) -> None:
    long = b'{"t": "' + b"x" * (2 * jsonl_files.MOST_LINE_BYTES) + b'"}'
    parts = [line("1").strip(), b'{"t" "x"}', line("2").strip(), b'{"t": "\xff"}', long, line("3").strip()]
    batches = read(tmp_path, b"[" + b",".join(parts) + b"]")
    assert amounts(batches) == {1: "1", 3: "2", 6: "3"}
    assert rejected(batches) == [(2, "json_broken"), (4, "bytes_unreadable"), (5, "line_too_long")]
    cut = read(tmp_path, b"[" + line("1").strip() + b',{"t": "2024')
    assert (amounts(cut), rejected(cut)) == ({1: "1"}, [(2, "json_broken")])


def test_a_line_of_an_object_and_something_else_stays_broken(tmp_path: Path) -> None:
    batches = read(tmp_path, line("1").strip() + b" x\n" + line("2"))
    assert (amounts(batches), rejected(batches)) == ({2: "2"}, [(1, "json_broken")])


def test_a_comma_at_the_end_of_a_line_says_nothing(tmp_path: Path) -> None:
    content = line("1").strip() + b",\n" + line("2").strip() + b" , \r\n" + line("3") + b"{broken,\n"
    batches = read(tmp_path, content)
    assert (amounts(batches), rejected(batches)) == ({1: "1", 2: "2", 3: "3"}, [(4, "json_broken")])


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n", b","])
def test_objects_that_are_each_spread_over_lines_are_records_each(tmp_path: Path, between: bytes) -> None:
    spread = [b'{\n  "t": "2024-01-01",\n  "order": {"amount": %d.50}\n}' % n for n in range(3)]
    batches = read(tmp_path, b"\xef\xbb\xbf\n" + between.join(spread) + b"\n")
    assert amounts(batches) == {1: "0.50", 2: "1.50", 3: "2.50"}
    assert not rejected(batches)


def test_several_arrays_are_read_as_one_and_an_empty_one_has_no_rows(tmp_path: Path) -> None:
    one = [line(str(n)).strip() for n in range(4)]
    batches = read(tmp_path, b"[]\n[%s]\n[%s, %s]\n[[%s]]" % (*one,))
    assert amounts(batches) == {1: "0", 2: "1", 3: "2", 4: "3"}
    assert not rejected(batches)
    for empty in (b"[]", b" [ ]\n"):
        assert read(tmp_path, empty) == []


def test_a_large_value_is_looked_at_a_few_times_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    decode = json_pieces._DECODER.raw_decode

    def counted(text: str) -> object:
        seen.append(len(text))
        return decode(text)

    monkeypatch.setattr(json_pieces, "_DECODER", SimpleNamespace(raw_decode=counted))
    large = b'{"t": "2024-01-01", "order": {"amount": 7}, "x": "' + b"y" * (jsonl_files.MOST_LINE_BYTES - 100) + b'"}'
    assert len(amounts(read(tmp_path, b"[" + b",".join([large] * 5) + b"]"))) == 5
    assert sum(seen) < 10 * 5 * len(large)
    seen.clear()
    many = 2_000
    batches = read(tmp_path, b"[" + b",".join([b'{"t": oops}'] * many) + b"]")
    assert len(rejected(batches)) == many
    assert max(seen) <= 1 << 12


def test_a_value_is_cut_at_no_boundary_of_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl_files, "_CHUNK_BYTES", 7)
    monkeypatch.setattr(json_pieces, "_WINDOW", 3)
    batches = read(
        tmp_path, b"[" + line("1.25").strip() + b', 1234567890123456, true, "a}{b", null, ' + line("2") + b"]"
    )
    assert amounts(batches) == {1: "1.25", 6: "2"}
    assert [reason for _, reason in rejected(batches)] == ["json_not_object"] * 4
