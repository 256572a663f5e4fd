"""Columns of Parquet that are no plain text: structs by dotted names, binary text, views."""

from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import MappingError

READER = InputFiles()
AT = "2026-03-01T10:00:00Z"


def read(path: Path, table: pa.Table, account: str) -> RawBatch:
    pq.write_table(table, path)
    text = f'[file]\nformat = "parquet"\n[fields]\nevent_time = "t"\naccount = "{account}"\n'
    (batch,) = READER.batches(path, parse_mapping(text, "x"))
    return batch


def test_a_field_of_a_struct_is_a_column(tmp_path: Path) -> None:
    parties = pa.array([{"bank": {"id": "b1", "x.y": "q"}}, None, {"bank": None}])
    table = pa.table({"t": [AT] * 3, "party": parties})
    assert read(tmp_path / "s.parquet", table, "party.bank.id").table["party.bank.id"].to_pylist() == ["b1", None, None]
    assert read(tmp_path / "d.parquet", table, "party.bank.x.y").table["party.bank.x.y"].to_pylist() == [
        "q",
        None,
        None,
    ]
    with pytest.raises(MappingError, match=r"column 'party\.nobody' is not in the file"):
        read(tmp_path / "n.parquet", table, "party.nobody")


def test_a_column_that_is_called_like_a_field_comes_first(tmp_path: Path) -> None:
    table = pa.table({"t": [AT], "a.b": ["own"], "a": [{"b": "inner"}]})
    assert read(tmp_path / "s.parquet", table, "a.b").table["a.b"].to_pylist() == ["own"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_a_bad_byte_in_a_binary_column_costs_its_row(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"t": [AT] * 4, "a": pa.array([b"a1", b"\xff", None, "é".encode()], pa.binary()).cast(kind)})
    batch = read(tmp_path / "b.parquet", table, "a")
    assert batch.table["a"].to_pylist() == ["a1", None, "é"]
    (row,) = batch.rejected.to_pylist()
    assert (row["source_line"], row["reason"]) == (2, "bytes_unreadable")


def test_views_are_text(tmp_path: Path) -> None:
    table = pa.table({"t": [AT, AT], "a": pa.array(["a1", None], pa.string_view())})
    assert read(tmp_path / "v.parquet", table, "a").table["a"].to_pylist() == ["a1", None]


def test_a_bad_byte_in_a_column_of_fixed_width_costs_its_row(tmp_path: Path) -> None:
    table = pa.table({"t": [AT] * 3, "a": pa.array([b"AB12", b"\xff\xfe\0\1", None], pa.binary(4))})
    batch = read(tmp_path / "f.parquet", table, "a")
    assert batch.table["a"].to_pylist() == ["AB12", None]
    assert batch.rejected["reason"].to_pylist() == ["bytes_unreadable"]


def test_uuids_are_written_as_everybody_writes_them(tmp_path: Path) -> None:
    one = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    table = pa.table({"t": [AT, AT], "a": pa.array([one.bytes, None], pa.uuid())})
    assert read(tmp_path / "u.parquet", table, "a").table["a"].to_pylist() == [str(one), None]


def test_an_address_has_one_id_as_text_as_an_integer_and_in_a_struct(tmp_path: Path) -> None:
    columns = {
        "ip": pa.array(["8.8.8.8", " 8.8.8.8/32", "::ffff:8.8.8.8", "134744072"]),
        "number": pa.array([134_744_072] * 4, pa.uint32()),
        "client": pa.array([{"address": {"ip": 134_744_072.0}}] * 4),
    }
    ids = set()
    for column in ("ip", "number", "client.address.ip"):
        text = f'[file]\nformat = "parquet"\n[fields]\nevent_time = "t"\nsource_ip = "{column}"\n'
        pq.write_table(pa.table({"t": [AT] * 4, **columns}), tmp_path / "ip.parquet")
        mapping = parse_mapping(text, "x")
        (batch,) = READER.batches(tmp_path / "ip.parquet", mapping)
        found = clean(
            batch.table, mapping, key=bytes(16), source=batch.source, first_line=batch.lines, content_hash="c"
        )
        ids |= set(found.transactions["source_ip_id"].to_pylist())
        assert found.addresses["address"].to_pylist() == ["8.8.8.8"]
    assert len(ids) == 1
    assert None not in ids
