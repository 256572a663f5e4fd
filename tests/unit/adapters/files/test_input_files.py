"""Readers account for every record, know its number, and name the file when it cannot be read."""

import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files import csv_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping, shipped_mappings
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError, MappingError, NotFoundError

FIELDS = '[fields]\nevent_time = "t"\namount = "a"\n'
READER = InputFiles()


def mapping_of(file: str = "") -> SourceMapping:
    return parse_mapping(f"[file]\n{file}\n{FIELDS}", "shop")


def written(folder: Path, content: bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path, mapping: SourceMapping | None = None) -> list[RawBatch]:
    return list(READER.batches(path, mapping or mapping_of()))


def rows(batches: list[RawBatch]) -> dict[int, str | None]:
    """Line number -> amount."""
    return {
        line: amount
        for batch in batches
        for line, amount in zip(batch.lines.to_pylist(), batch.table["a"].to_pylist(), strict=True)
    }


def rejected(batches: list[RawBatch]) -> list[tuple[int, str, str]]:
    found = [row for batch in batches for row in batch.rejected.to_pylist()]
    return [(row["source_line"], row["reason"], row["message"]) for row in found]


def test_ragged_rows_are_rejected_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, b't,x,a\n1,,10\n2,\n3,"two\nlines",30\n4,,40,x\n\n5,,50\n6\n')
    batches = read(path)
    assert rows(batches) == {2: "10", 4: "30", 8: "50"}
    assert rejected(batches) == [
        (3, "ragged_row", "expected 3 columns, got 2"),
        (6, "ragged_row", "expected 3 columns, got 4"),
        (9, "ragged_row", "expected 3 columns, got 1"),
    ]
    assert batches[0].table.column_names == ["t", "a"]


@pytest.mark.parametrize("block", [40, 64, 1000])
@settings(deadline=None, max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(["good", "short", "long", "quoted", "empty"]), max_size=60))
def test_numbers_hold_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, kinds: list[str]
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", block)
    line = {"good": "t,{}", "short": "t", "long": "t,{},x", "quoted": '"t\nu",{}', "empty": "t,{},,"}
    text, placed = "t,a\n", []
    for number, kind in enumerate(kinds):
        placed.append((text.count("\n") + 1, kind, str(number)))
        text += line[kind].format(number) + "\n"
    batches = read(written(tmp_path, text.encode()))
    good = {place: number for place, kind, number in placed if kind in ("good", "quoted", "empty")}
    ragged = [place for place, kind, _ in placed if kind in ("short", "long")]
    assert rows(batches) == good
    assert [number for number, _, _ in rejected(batches)] == ragged


def test_gzip_is_known_by_its_bytes_and_may_have_members(tmp_path: Path) -> None:
    content = gzip.compress(b"t,a\n1,10\n") + gzip.compress(b"2,20\n")
    assert rows(read(written(tmp_path, content, "in.csv"))) == {2: "10", 3: "20"}


def test_a_truncated_gzip_names_the_file(tmp_path: Path) -> None:
    content = gzip.compress(b"t,a\n" + b"".join(b"%d,10\n" % number for number in range(9999)))
    with pytest.raises(InputFileError, match=r"in\.csv is cut off or damaged"):
        read(written(tmp_path, content[:-50]))
    with pytest.raises(InputFileError, match=r"in\.csv is cut off or damaged"):
        read(written(tmp_path, content[:12]))


def test_a_damaged_gzip_names_the_file(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"t,a\n" + bytes(range(48, 58)) * 9999))
    content[-6] ^= 255
    with pytest.raises(InputFileError, match=r"in\.csv is cut off or damaged"):
        read(written(tmp_path, bytes(content)))


@pytest.mark.parametrize("content", [b"t,a\n", b"t,a", b"\xef\xbb\xbft,a\n"])
def test_a_header_alone_is_no_rows(tmp_path: Path, content: bytes) -> None:
    assert read(written(tmp_path, content)) == []


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputFileError, match=r"in\.csv is empty"):
        read(written(tmp_path, content))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for mapping in (mapping_of(), mapping_of('format = "parquet"')):
        with pytest.raises(InputFileError, match="does not exist"):
            read(tmp_path / "none.csv", mapping)
    with pytest.raises(InputFileError, match=r"none\.csv cannot be read"):
        READER.fingerprint(tmp_path / "none.csv")


@pytest.mark.parametrize("format_", ["csv", "jsonl", "iso20022"])
def test_a_disk_that_fails_is_an_error(format_: str) -> None:
    event_time = "created_at" if format_ == "iso20022" else "t"
    mapping = parse_mapping(f'[file]\nformat = "{format_}"\n[fields]\nevent_time = "{event_time}"\n', "shop")
    unreadable = Path("/proc/self/mem")  # nothing is at its start
    with pytest.raises(InputFileError, match="/proc/self/mem cannot be read: Input/output error"):
        read(unreadable, mapping)


def test_a_missing_column_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as caught:
        read(written(tmp_path, b"t,b\n1,2\n"))
    assert str(caught.value) == "mapping 'shop': column 'a' is not in the file (columns: t, b)"


def test_a_doubled_column_is_an_error_only_if_it_is_read(tmp_path: Path) -> None:
    assert rows(read(written(tmp_path, b"t,a,x,x\n1,2,3,4\n"))) == {2: "2"}
    with pytest.raises(MappingError, match="column 'a' stands 2 times"):
        read(written(tmp_path, b"t,a,a\n1,2,3\n"))


def test_a_header_that_is_data_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as caught:
        read(written(tmp_path, b"2024-01-01,Ann,ann@example.org\n"))
    assert "Ann" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le"])
def test_a_preamble_is_told_from_the_header(tmp_path: Path, encoding: str) -> None:
    text = "\ufeff" if encoding != "latin-1" else ""
    text += '"Card:","1234 Ann Example"\n\n"Balance:","0\nEUR"\n"t","x","a"\n1,2,3\n'
    path = written(tmp_path, text.encode(encoding))
    with pytest.raises(MappingError) as caught:
        read(path, mapping_of(f'encoding = "{encoding}"'))
    assert "the header seems to be line 5: write file.skip_lines = 4" in str(caught.value)
    assert "Ann" not in str(caught.value)
    assert READER.header_hint(path, mapping_of(f'encoding = "{encoding}"')) is not None
    assert READER.header_hint(written(tmp_path, b"x,y\n1,2\n"), mapping_of()) is None


@pytest.mark.parametrize(
    ("above", "line"),
    [("", 1), ("\n\n", 3), ("sep=;\n", 2)],
    ids=["first line", "blank lines above", "separator above"],
)
def test_a_latin_1_header_that_is_not_declared_is_told_with_line_byte_and_setting(
    tmp_path: Path, above: str, line: int
) -> None:
    path = written(tmp_path, f"{above}t;a;H\u00e4ndler\n2024-01-01;1;B\u00e4cker\n".encode("latin-1"))
    style, own = 'delimiter = ";"\n', f'{FIELDS}merchant = "H\u00e4ndler"\n'
    mapping = parse_mapping(f"[file]\n{style}{own}", "shop")
    with pytest.raises(MappingError) as caught:
        read(path, mapping)
    told = f"{path}: line {line}, the header, holds the byte 0xE4, which is no text in utf-8: set file.encoding"
    assert told in str(caught.value)
    assert told in (READER.header_hint(path, mapping) or "")
    [batch] = read(path, parse_mapping(f'[file]\nencoding = "cp1252"\n{style}{own}', "shop"))
    assert batch.table["H\u00e4ndler"].to_pylist() == ["B\u00e4cker"]


def test_null_values_are_the_mappings(tmp_path: Path) -> None:
    path = written(tmp_path, b't,a\n1,NA\n2,"NA"\n3,\n')
    assert rows(read(path, mapping_of('null_values = ["NA"]'))) == {2: None, 3: None, 4: ""}


def test_delimiter_and_encoding_are_the_mappings(tmp_path: Path) -> None:
    mapping = mapping_of('delimiter = ";"\nencoding = "latin-1"')
    assert rows(read(written(tmp_path, "t;a\r\n1;é\r\n".encode("latin-1")), mapping)) == {2: "é"}
    wide = mapping_of('encoding = "utf-16"')
    assert rows(read(written(tmp_path, "t,a\n1,é\n".encode("utf-16")), wide)) == {2: "é"}


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_with_a_mark_is_read_as_any_of_its_names_and_told_where_it_was_not_declared(
    tmp_path: Path, order: str
) -> None:
    path = written(tmp_path, "\ufefft,a\n1,é\n".encode(f"utf-16-{order}"))
    for encoding in ("utf-16", f"utf-16-{order}"):
        assert READER.columns(path, mapping_of(f'encoding = "{encoding}"')) == ["t", "a"]
        assert rows(read(path, mapping_of(f'encoding = "{encoding}"'))) == {2: "é"}
    for encoding in ("utf-8", "latin-1"):
        with pytest.raises(InputFileError, match=r"begins with the mark of UTF-16.*write file\.encoding = 'utf-16'"):
            READER.columns(path, mapping_of(f'encoding = "{encoding}"'))


def test_utf_8_with_a_mark_is_told_where_it_was_not_declared(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufefft,a\n1,é\n".encode())
    assert rows(read(path, mapping_of())) == rows(read(path, mapping_of('encoding = "utf-8-sig"'))) == {2: "é"}
    with pytest.raises(InputFileError, match=r"begins with the mark of UTF-8 and the mapping reads it as cp1252"):
        READER.columns(path, mapping_of('encoding = "cp1252"'))


def test_bytes_that_are_no_text_cost_their_row_only(tmp_path: Path) -> None:
    batches = read(written(tmp_path, b"t,a\n1,10\n2,\xff\n3\n4,40\n"))
    assert rows(batches) == {2: "10", 5: "40"}
    assert rejected(batches) == [
        (
            3,
            "bytes_unreadable",
            "column 'a' holds the byte 0xFF, which is no text in utf-8: set file.encoding (perhaps "
            "'latin-1' or 'cp1252')",
        ),
        (4, "ragged_row", "expected 2 columns, got 1"),
    ]


def test_a_ragged_row_with_bytes_that_are_no_text_is_a_ragged_row(tmp_path: Path) -> None:
    batches = read(written(tmp_path, b"t,a\n1,10\n2,\xff,3\n\x9e\n4,40\n"))
    assert rows(batches) == {2: "10", 5: "40"}
    assert [(line, reason) for line, reason, _ in rejected(batches)] == [(3, "ragged_row"), (4, "ragged_row")]


@pytest.mark.parametrize(("encoding", "bad"), [("ascii", b"\xff"), ("cp1252", b"\x81"), ("shift_jis", b"\x82")])
def test_another_encoding_costs_the_bad_row_only_too(tmp_path: Path, encoding: str, bad: bytes) -> None:
    body = b"t,a\n" + b"1,10\n" * 20000 + b"1," + bad + b"\n1,20\n"
    batches = read(written(tmp_path, body), mapping_of(f'encoding = "{encoding}"'))
    assert len(rows(batches)) == 20001
    assert [(line, reason) for line, reason, _ in rejected(batches)] == [(20002, "bytes_unreadable")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_quote_that_is_never_closed_costs_its_row_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    text = '\ufefft,a\n1,"10\n' + "2,20\n" * 9
    batches = read(written(tmp_path, text.encode(encoding)), mapping_of(f'encoding = "{encoding}"'))
    assert [reason for _, reason, _ in rejected(batches)] == ["quote_unclosed"]
    assert rows(batches) == dict.fromkeys(range(3, 12), "20")


def test_a_quote_that_is_open_for_longer_than_a_block_refuses_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 32)
    with pytest.raises(InputFileError, match="never closed") as caught:
        read(written(tmp_path, b't,a\n1,"10\n' + b"2,secret\n" * 9))
    assert "secret" not in str(caught.value)


def test_an_inch_mark_is_no_open_quote(tmp_path: Path) -> None:
    assert rows(read(written(tmp_path, b't,a\n1,5" pipe\n2,20\n'))) == {2: '5" pipe', 3: "20"}


def test_parquet_keeps_types_and_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [0, 0], "a": [1.5, None], "t": [7, 8]}), path)
    mapping = mapping_of('format = "parquet"')
    assert READER.columns(path, mapping) == ["x", "a", "t"]
    (batch,) = read(path, mapping)
    assert batch.table.schema == pa.schema([("t", pa.int64()), ("a", pa.float64())])
    assert batch.lines.to_pylist() == [1, 2]
    assert batch.records == 2


def test_parquet_with_bytes_that_are_no_text_costs_their_row_only(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    bad = pa.array([b"10", b"\xff", None, b"40"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"t": [1, 2, 3, 4], "a": bad}), path)
    batches = read(path, mapping_of('format = "parquet"'))
    assert rows(batches) == {1: "10", 3: None, 4: "40"}
    assert rejected(batches) == [(2, "bytes_unreadable", "column 'a' holds bytes that are no text")]


def test_parquet_whose_footer_tells_of_other_rows_than_there_are_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": ["2024-01-01"] * 4, "a": ["1"] * 4}), path, row_group_size=2)
    good, mapping = path.read_bytes(), mapping_of('format = "parquet"')
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    lost = 0
    for place in range(footer, len(good) - 8):
        path.write_bytes(good[:place] + bytes([good[place] ^ 2]) + good[place + 1 :])
        told, there = told_and_there(path)
        lost += told != there
        if told == there is not None:
            continue
        with pytest.raises((InputFileError, MappingError)):
            read(path, mapping)
    assert lost > 0  # else Arrow has learned to find it by itself


def told_and_there(path: Path) -> tuple[int | None, int | None]:
    """How many rows a file's footer tells of, and how many Arrow reads; None where it reads nothing at all."""
    try:
        with pq.ParquetFile(path) as file:
            return file.metadata.num_rows, sum(batch.num_rows for batch in file.iter_batches(columns=["t", "a"]))
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        return None, None


def test_damaged_parquet_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"in\.csv cannot be read as Parquet"):
        read(written(tmp_path, b"t,a\n1,2\n"), mapping_of('format = "parquet"'))


def test_parquet_with_a_column_name_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    pq.write_table(pa.table({"t": [1], "a": [2], "spoilt": [3]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"spoilt", b"\xee\xeeoilt"))
    with pytest.raises(InputFileError, match=r"in\.csv cannot be read as Parquet"):
        read(path, mapping_of('format = "parquet"'))


def test_the_fingerprint_is_place_and_sha256(tmp_path: Path) -> None:
    path = written(tmp_path, b"abc")
    found = READER.fingerprint(path)
    assert found.location == str(path.resolve())
    assert found.content_hash == hashlib.sha256(b"abc").hexdigest()


def test_every_shipped_mapping_is_valid_and_has_its_own_name() -> None:
    assert set(shipped_mappings()) >= {
        "amazon-fraud-detector-registrations",
        "amazon-fraud-detector-transactions",
        "amazon-fraud-detector-transactions-curation",
        "fraud-detection-handbook",
        "ulb-credit-card",
    }
    for name in shipped_mappings():
        assert load_mapping(name).name == name


def test_the_handbooks_answer_is_not_read() -> None:
    assert "TX_FRAUD_SCENARIO" not in load_mapping("fraud-detection-handbook").source_columns


@pytest.mark.parametrize("variant", ["", "-curation"])
def test_identities_and_random_currencies_of_the_sample_are_left_out(variant: str) -> None:
    mapping = load_mapping(f"amazon-fraud-detector-transactions{variant}")
    identities = {"user_agent", "customer_job", "billing_zip", "billing_latitude", "payment_currency"}
    assert identities.isdisjoint(mapping.source_columns)
    assert not mapping.currency_meaningful


def test_a_users_mapping_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FIELDS)
    assert load_mapping(str(path)).name == "mine"
    with pytest.raises(NotFoundError, match=r"no mapping file .*gone\.toml"):
        load_mapping(str(tmp_path / "gone.toml"))
    with pytest.raises(NotFoundError, match="fraud-detection-handbook"):
        load_mapping("handbook")
    path.write_bytes(b"\xff")
    with pytest.raises(InputFileError, match="not UTF-8"):
        load_mapping(str(path))


@pytest.mark.parametrize(
    ("file", "mapping", "count"),
    [
        ("aws_transactions_2k.csv", "amazon-fraud-detector-transactions", 1_611),
        ("aws_registrations_20k.csv", "amazon-fraud-detector-registrations", 20_000),
        ("handbook_features_sample.parquet", "fraud-detection-handbook", 20_000),
        ("ulb_creditcard_subset.parquet", "ulb-credit-card", 6_438),
        ("transactions_curation_2019_01.csv.gz", "amazon-fraud-detector-transactions-curation", 16_820),
    ],
)
def test_real_files_are_read_to_the_last_row(shared_data: Path, file: str, mapping: str, count: int) -> None:
    batches = read(shared_data / file, load_mapping(mapping))
    assert sum(batch.table.num_rows for batch in batches) == count
    assert rejected(batches) == []
