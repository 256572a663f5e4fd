"""A label that is open has no time: what says so never costs the payment, whatever it is written as."""

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.intake.parsing_times import parse_event_times, parse_label_times

CASES = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", "/nowhere")).parent / "cases/input/06_athena_int96_wraps"
KNOWN = datetime(2026, 3, 9, tzinfo=UTC)


def label_times(values: pa.Array, time: TimeFormat, nulls: tuple[str, ...] = ("",)) -> list[datetime | str | None]:
    found = parse_label_times(values, "at", time, nulls)
    times: list[datetime | str | None] = found.values.to_pylist()
    for fault in reversed(found.faults):
        for place in fault.rows.nonzero()[0]:
            times[place] = fault.reason
    return times


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("iso8601", "9999-12-31"), ("iso8601", "9999-12-31T23:59:59.999999Z"), ("iso8601", "9999-12-31 00:00:00 UTC"),
        ("iso8601", "9999-12-31T23:59:59.9999999Z"), ("iso8601", "9999-12-31 23:59:59,999999999"),
        ("%d/%m/%Y %H:%M:%S.%f", "31/12/9999 23:59:59.9999999"),
        ("%d/%m/%Y", "31/12/9999"), ("%Y-%m-%d %H:%M:%S %Z", "9999-12-31 00:00:00 Europe/Berlin"),
        ("epoch_seconds", "253402214400"), ("epoch_milliseconds", "253402300799999"),
    ],
)  # fmt: skip
def test_the_end_of_all_calendars_is_open(zone: str, format_: str, text: str) -> None:
    assert label_times(pa.array([text]), TimeFormat(format=format_, zone=zone)) == [None]


@pytest.mark.parametrize("end", ["Z", "+01:00", "", " CET"])
def test_nanoseconds_in_another_row_close_no_label(end: str) -> None:
    """They end in 2262: once read as such, all later times of the column were unreadable."""
    texts = [f"9999-12-31T00:00:00{end}", f"2026-03-09T00:00:00.123456789{end}"]
    opened, known = label_times(pa.array(texts), TimeFormat())
    assert opened is None
    assert isinstance(known, datetime)
    assert known.microsecond == 123456


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_native_times_are_open_too(unit: str, zone: str | None) -> None:
    ends = [datetime(2026, 3, 9), datetime(9999, 12, 31), datetime(1601, 1, 1), datetime(1515, 1, 1)]
    values = pa.array([end.replace(tzinfo=UTC) if zone else end for end in ends], pa.timestamp(unit, zone))
    refused = "label_time_unreadable"
    assert label_times(values, TimeFormat(format="native")) == [KNOWN, None, refused, refused]
    declared = ("", "none", "1601-01-01T00:00:00Z")
    assert label_times(values, TimeFormat(format="native"), declared) == [KNOWN, None, None, refused]


@pytest.mark.parametrize(
    ("values", "format_", "declared"),
    [
        (pa.array(["0000-00-00", "2026-03-09"]), "iso8601", "0000-00-00"),
        (pa.array(["never", "2026-03-09"]), "iso8601", "never"),
        (pa.array([0, 1773014400]), "epoch_seconds", "0"),
        (pa.array([datetime(1970, 1, 1), datetime(2026, 3, 9)], pa.date32()), "native", "1970-01-01"),
    ],
)
def test_a_declared_null_is_open_in_every_type(values: pa.Array, format_: str, declared: str) -> None:
    assert label_times(values, TimeFormat(format=format_)) == ["label_time_unreadable", KNOWN]
    assert label_times(values, TimeFormat(format=format_), ("", declared)) == [None, KNOWN]


def test_the_time_of_a_payment_is_never_open() -> None:
    found = parse_event_times(pa.array(["9999-12-31"]), "at", TimeFormat())
    assert [fault.reason for fault in found.faults if fault.rows.any()] == ["time_out_of_range"]


MAPPING = """
[file]
format = "parquet"
[time]
format = "native"
[fields]
transaction_id = "id"
event_time = "at"
label = "label"
label_time = "labelled_at"
[labels]
fraud = ["1"]
good = ["0"]
"""


def test_int96_is_read_as_the_time_it_is(tmp_path: Path) -> None:
    good, end, typo = datetime(2026, 3, 1, 10), datetime(9999, 12, 31), datetime(1515, 1, 31, 9)
    table = pa.table({
        "id": ["good", "open", "typo"], "at": pa.array([good, good, typo], pa.timestamp("us")), "label": [1, 0, 0],
        "labelled_at": pa.array([datetime(2026, 3, 9), end, good], pa.timestamp("us")),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True)
    path = tmp_path / "in.parquet"
    path.write_bytes(sink.getvalue())
    assert pq.ParquetFile(path).schema.column(1).physical_type == "INT96"
    mapping = parse_mapping(MAPPING, "lake")
    (batch,) = InputFiles().batches(path, mapping)
    cleaned = clean(batch.table, mapping, key=bytes(16), source="s", first_line=batch.lines, content_hash="c")
    rows = cleaned.transactions.select(["transaction_id", "event_time", "label", "label_time"]).to_pylist()
    assert [list(row.values()) for row in rows] == [
        ["good", good.replace(tzinfo=UTC), 1, KNOWN],
        ["open", good.replace(tzinfo=UTC), 0, None],
    ]
    assert [(row["source_line"], row["reason"]) for row in cleaned.rejected.to_pylist()] == [(3, "time_out_of_range")]


def test_int96_of_the_shared_cases_loses_no_payment_to_an_open_label() -> None:
    if not CASES.exists():
        pytest.skip("needs the shared cases (COUNTERFOIL_SHARED_DATA)")
    mapping = load_mapping(str(CASES / "mapping.toml"))
    (batch,) = InputFiles().batches(CASES / "int96.parquet", mapping)
    cleaned = clean(batch.table, mapping, key=bytes(16), source="s", first_line=batch.lines, content_hash="c")
    assert cleaned.transactions["transaction_id"].to_pylist() == ["ok", "label-open-ended"]
    assert cleaned.transactions["label_time"].to_pylist() == [KNOWN, None]
    reasons = ["label_time_unreadable", *["time_out_of_range"] * 3]
    assert cleaned.rejected["reason"].to_pylist() == reasons
