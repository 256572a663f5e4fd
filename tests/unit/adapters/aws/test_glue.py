"""Glue shows what the manifest names, with the types of the files."""

import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler
import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.aws import glue as glue_catalogue
from counterfoil.adapters.aws.glue import glue_types
from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.domain.schemas import REJECTED, transactions_schema
from counterfoil.errors import StoreUnavailableError, UsageError


@pytest.fixture
def tables(bucket: str, tmp_path: Path) -> S3Tables:
    return S3Tables(f"s3://{bucket}/lake", glue_database="lake", cache=tmp_path / "cache")


def _publish(tables: S3Tables, run: str, files: dict[str, pa.Table], *, replace: bool = False) -> None:
    staged = tables.stage("payments", run)
    for name, content in files.items():
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, staged / name)
    tables.publish("payments", run, replace=replace)


def _table() -> dict[str, Any]:
    return boto3.client("glue").get_table(DatabaseName="lake", Name="payments")["Table"]


def _columns() -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in _table()["StorageDescriptor"]["Columns"]}


def _partitions() -> dict[tuple[str, ...], str]:
    """Return the last two folders that each partition points at; their columns must be the table's."""
    found = boto3.client("glue").get_partitions(DatabaseName="lake", TableName="payments")["Partitions"]
    for partition in found:
        described = partition["StorageDescriptor"]["Columns"]
        assert {column["Name"]: column["Type"] for column in described} == _columns()
    return {tuple(item["Values"]): item["StorageDescriptor"]["Location"].split("/runs/")[1] for item in found}


def _one(value: object = 1) -> pa.Table:
    return pa.table({"value": [value]})


@pytest.mark.slow
def test_a_table_of_dates_is_partitioned_by_them(tables: S3Tables) -> None:
    days = ("2019-01-01", "2019-01-02")
    _publish(tables, "a", {f"event_date={day}/part-0.parquet": _one() for day in days})
    assert [(key["Name"], key["Type"]) for key in _table()["PartitionKeys"]] == [
        ("event_date", "date"),
        ("run", "string"),
    ]
    assert _columns() == {"value": "bigint"}
    assert _table()["StorageDescriptor"]["Location"] == "s3://lakes/lake/payments/runs/"
    places = _partitions()
    assert places.keys() == {(day, "a") for day in days}
    assert all(place.startswith("a.1-") and place.endswith(f"/event_date={day}/") for (day, _), place in places.items())


def test_a_table_without_dates_is_partitioned_by_run(tables: S3Tables) -> None:
    for run in ("a", "b"):
        _publish(tables, run, {"part-0.parquet": _one(), "more/part-1.parquet": _one()})
    assert [key["Name"] for key in _table()["PartitionKeys"]] == ["run"]
    assert {values: place.partition(".")[0] for values, place in _partitions().items()} == {("a",): "a", ("b",): "b"}


def test_files_beside_those_of_dates_have_no_date(tables: S3Tables) -> None:
    _publish(tables, "a", {"event_date=2019-01-01/part-0.parquet": _one()})
    _publish(tables, "b", {"part-0.parquet": _one()})
    assert _partitions().keys() == {("2019-01-01", "a"), ("__HIVE_DEFAULT_PARTITION__", "b")}


@pytest.mark.slow
def test_athena_s_own_reader_sees_the_union_of_the_runs(tables: S3Tables) -> None:
    _publish(tables, "a", {"event_date=2019-01-01/part-0.parquet": _one(1)})
    _publish(tables, "b", {"event_date=2019-01-01/part-0.parquet": _one(2)})
    _publish(tables, "a", {"event_date=2019-01-02/part-0.parquet": _one(3)})
    places = awswrangler.catalog.get_parquet_partitions(database="lake", table="payments")
    rows = [tuple(awswrangler.s3.read_parquet(place, dataset=False)["value"]) + tuple(v) for place, v in places.items()]
    assert sorted(rows) == [(2, "2019-01-01", "b"), (3, "2019-01-02", "a")]


@pytest.mark.slow
def test_a_reader_of_the_whole_table_finds_nothing_but_parquet(tables: S3Tables) -> None:
    """It lists all that is under the table's location, and fails on a manifest."""
    _publish(tables, "a", {"event_date=2019-01-01/part-0.parquet": _one(1)})
    _publish(tables, "b", {"event_date=2019-01-02/part-0.parquet": _one(2)})
    rows = awswrangler.s3.read_parquet_table(table="payments", database="lake")
    assert sorted(rows["value"]) == [1, 2]
    location = str(_table()["StorageDescriptor"]["Location"])
    objects = awswrangler.s3.list_objects(location)
    assert len(objects) == 2
    assert all(name.endswith(".parquet") for name in objects)


@pytest.mark.slow
def test_a_run_published_again_moves_keeps_and_drops_partitions(
    tables: S3Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glue_catalogue, "_UPDATES", 2)  # several calls
    january = [f"2019-01-{day:02d}" for day in range(1, 8)]
    _publish(tables, "a", {f"event_date={day}/part-0.parquet": _one() for day in january[:6]})
    _publish(tables, "b", {f"event_date={january[0]}/part-0.parquet": _one()})
    others = _partitions()[january[0], "b"]
    _publish(tables, "a", {f"event_date={day}/part-0.parquet": _one() for day in january[1:]})
    places = _partitions()
    assert places.keys() == {(day, "a") for day in january[1:]} | {(january[0], "b")}
    assert all(place.startswith("a.2-") for (_, run), place in places.items() if run == "a")
    assert places[january[0], "b"] == others


@pytest.mark.slow
def test_replacing_all_runs_drops_their_partitions(tables: S3Tables) -> None:
    for run in ("a", "b"):
        _publish(tables, run, {"part-0.parquet": _one()})
    _publish(tables, "c", {"part-0.parquet": _one()}, replace=True)
    assert _partitions().keys() == {("c",)}


@pytest.mark.slow
def test_a_run_without_files_has_no_partitions(tables: S3Tables) -> None:
    _publish(tables, "a", {})
    assert boto3.client("glue").get_databases()["DatabaseList"] == []
    _publish(tables, "b", {"part-0.parquet": _one()})
    _publish(tables, "b", {})
    assert _partitions() == {}


@pytest.mark.slow
def test_new_columns_come_in_and_old_ones_stay(tables: S3Tables) -> None:
    _publish(tables, "a", {"part-0.parquet": _one()})
    _publish(tables, "b", {"part-0.parquet": pa.table({"more": ["x"]})})
    assert _columns() == {"value": "bigint", "more": "string"}
    assert boto3.client("glue").get_partitions(DatabaseName="lake", TableName="payments")["Partitions"][1][
        "Values"
    ] == ["b"]


def test_a_column_of_another_type_is_refused_before_anything_is_sent(tables: S3Tables, bucket: str) -> None:
    _publish(tables, "a", {"part-0.parquet": _one()})
    before = [item.key for item in boto3.resource("s3").Bucket(bucket).objects.all()]
    with pytest.raises(UsageError, match="column 'value' of table 'payments' is string and other runs have bigint"):
        _publish(tables, "b", {"part-0.parquet": _one("x")})
    assert [item.key for item in boto3.resource("s3").Bucket(bucket).objects.all()] == before
    assert tables.runs("payments") == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize(("run", "replace"), [("a", False), ("b", True)])
def test_a_table_is_made_anew_if_all_of_it_has_other_types(tables: S3Tables, run: str, replace: bool) -> None:
    _publish(tables, "a", {"part-0.parquet": _one()})
    _publish(tables, run, {"event_date=2019-01-01/part-0.parquet": _one("x")}, replace=replace)
    assert _columns() == {"value": "string"}
    assert _partitions().keys() == {("2019-01-01", run)}


@pytest.mark.parametrize(
    "files",
    [
        {"part-0.parquet": pa.table({"value": pa.array([1], pa.uint64())})},
        {"part-0.parquet": pa.table({"value": pa.nulls(1)})},
        {"part-0.parquet": _one(1), "part-1.parquet": _one("x")},
    ],
    ids=["uint64", "null", "two types"],
)
def test_what_glue_cannot_hold_is_refused_before_anything_is_sent(
    tables: S3Tables, bucket: str, files: dict[str, pa.Table]
) -> None:
    with pytest.raises(UsageError, match="table 'payments' has no place in Glue"):
        _publish(tables, "a", files)
    assert list(boto3.resource("s3").Bucket(bucket).objects.all()) == []


def test_types_are_glue_s(tmp_path: Path) -> None:
    moment = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
    precedents = pa.array(
        [[{"id": "a", "similarity": 0.5}]], pa.list_(pa.struct({"id": pa.string(), "similarity": pa.float32()}))
    )
    content = pa.table(
        {
            "Amount": pa.array([Decimal("1.50")], pa.decimal128(12, 2)),
            "at": pa.array([moment], pa.timestamp("us", tz="UTC")),
            "label": pa.array([1], pa.int8()),
            "precedents": precedents,
            "run": ["a"],
            "event_date": [moment.date()],
        }
    )
    for folder in ("event_date=2019-01-01", "flat"):
        (tmp_path / folder).mkdir()
        pq.write_table(content, tmp_path / folder / "x.parquet")
    flat = glue_types("payments", [tmp_path / "flat" / "x.parquet"])
    assert flat == {
        "amount": "decimal(12,2)",
        "at": "timestamp",
        "label": "tinyint",
        "precedents": "array<struct<id:string,similarity:float>>",
        "event_date": "date",
    }
    assert glue_types("payments", [tmp_path / "event_date=2019-01-01" / "x.parquet"]).keys() == flat.keys() - {
        "event_date"
    }


@pytest.mark.parametrize("schema", [transactions_schema(("x",), ("y",), ("z",)), REJECTED])
def test_our_tables_have_a_place_in_glue(schema: pa.Schema, tmp_path: Path) -> None:
    pq.write_table(schema.empty_table(), tmp_path / "x.parquet")
    assert glue_types("any", [tmp_path / "x.parquet"]).keys() == set(schema.names)


def test_a_database_that_is_there_already_is_used(tables: S3Tables) -> None:
    boto3.client("glue").create_database(DatabaseInput={"Name": "lake", "Description": "another's"})
    _publish(tables, "a", {"part-0.parquet": _one()})
    assert boto3.client("glue").get_database(Name="lake")["Database"]["Description"] == "another's"


def test_glue_out_of_reach_is_said_and_a_rerun_completes_it(tables: S3Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:9")
        patch.setattr("counterfoil.adapters.aws.clients.ATTEMPTS", 1)
        with pytest.raises(StoreUnavailableError, match=r"Glue database 'lake' is not available .*check the network"):
            _publish(tables, "a", {"part-0.parquet": _one()})
    assert tables.runs("payments") == ["a"]
    again = S3Tables("s3://lakes/lake", glue_database="lake", cache=tables._staged.parents[2])
    again.publish("payments", "a")
    assert _partitions().keys() == {("a",)}


def test_without_awswrangler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "awswrangler", None)
    with pytest.raises(UsageError, match=r"install counterfoil\[aws\]"):
        glue_types("payments", [tmp_path])
