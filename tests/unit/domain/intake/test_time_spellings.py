"""Times mean the same however they are written: counts, zones, basic ISO, 24:00, several formats or columns."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.mapping_times import COUNTED, TimeFormat
from counterfoil.domain.intake.parsing_times import parse_event_times, parse_label_times
from counterfoil.errors import MappingError

EPOCH = 'epoch = "2026-01-01T00:00:00Z"'
LONDON = 'zone = "Europe/London"'


def parsed(section: str, values: pa.Array) -> list[str]:
    """Return the times (UTC, ISO 8601) of cells, or the reasons why they have none."""
    time = parse_mapping(f'[time]\n{section}\n[fields]\nevent_time = "t"\n', "test").time
    found = parse_event_times(values, "t", time)
    refused = [next((f.reason for f in found.faults if f.rows[row]), None) for row in range(len(values))]
    return [
        why or value.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        for why, value in zip(refused, found.values.to_pylist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("section", "text", "utc"),
    [
        (f'format = "relative_hours"\n{EPOCH}', "743", "2026-01-31T23:00:00"),
        (f'format = "relative_hours"\n{EPOCH}', "1.5", "2026-01-01T01:30:00"),
        (f'format = "relative_minutes"\n{EPOCH}', "1.0E2", "2026-01-01T01:40:00"),
        (f'format = "relative_days"\n{EPOCH}', "31", "2026-02-01T00:00:00"),
        ('format = "epoch_microseconds"', "1772359200123456", "2026-03-01T10:00:00.123456"),
        ('format = "epoch_nanoseconds"', "1772359200123456999", "2026-03-01T10:00:00.123456"),
        ('format = "epoch_nanoseconds"', "1767225599999999999.0", "2025-12-31T23:59:59.999999"),
        ('format = "epoch_seconds"', "1.7723592E9", "2026-03-01T10:00:00"),
        ('format = "epoch_days"', "20513", "2026-03-01T00:00:00"),
        ('format = "excel_serial"', "46082.4166666667", "2026-03-01T10:00:00"),
        ('format = "excel_serial"\nzone = "Europe/Berlin"', "46204.5", "2026-07-01T10:00:00"),
        ('format = "iso8601"', "20260301T100000Z", "2026-03-01T10:00:00"),
        ('format = "iso8601"', "20260301T1000+0100", "2026-03-01T09:00:00"),
        ('format = "iso8601"', "20260301 100000.25", "2026-03-01T10:00:00.25"),
        ('format = "iso8601"', "20260301T100000 UTC", "2026-03-01T10:00:00"),
        ('format = "iso8601"', "2026-03-01T100000+0100", "2026-03-01T09:00:00"),
        ('format = "iso8601"', "2026-03-01T1000", "2026-03-01T10:00:00"),
        ('format = "iso8601"', "2026-03-01t10:00:00.5z", "2026-03-01T10:00:00.5"),
        ('format = "iso8601"', "2026-03-01T240000Z", "2026-03-02T00:00:00"),
        ('format = "iso8601"', "2026-03-01T10000", "time_unreadable"),
        ('format = "iso8601"', "20260301", "2026-03-01T00:00:00"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "20260701T100000", "2026-07-01T08:00:00"),
        ('format = "iso8601"', "2026-03-01T24:00:00Z", "2026-03-02T00:00:00"),
        ('format = "iso8601"\nzone = "Europe/Berlin"', "2026-03-29T24:00:00", "2026-03-29T22:00:00"),
        ('format = "iso8601"', "20261231T240000Z", "2027-01-01T00:00:00"),
        ('format = "iso8601"', "2026-03-01 24:00 UTC", "2026-03-02T00:00:00"),
        ('format = "iso8601"', "2026-03-01T24:00:01Z", "time_unreadable"),
        ('format = "iso8601"', "2026-07-01T10:00:00+02:00[Europe/Berlin]", "2026-07-01T08:00:00"),
        ('format = "iso8601"', "2026-07-01T10:00:00[Europe/Berlin]", "2026-07-01T08:00:00"),
        ('format = "iso8601"', "2026-07-01 10:00:00.5 GMT", "2026-07-01T10:00:00.5"),
        ('format = "%Y-%m-%d %H:%M:%S UTC"', "2026-03-01 10:00:00.5 UTC", "2026-03-01T10:00:00.5"),
        ('format = "%Y-%m-%d %H:%M:%S.%f UTC"', "2026-03-01 10:00:00 UTC", "2026-03-01T10:00:00"),
        ('format = "%Y-%m-%d %H:%M:%S %Z"', "2026-03-01 10:00:00.25 GMT", "2026-03-01T10:00:00.25"),
        ('format = "%d.%m.%Y %H:%M"', "28.02.2026 24:00", "2026-03-01T00:00:00"),
        ('format = "%d.%m.%Y %H:%M:%S"', "28.02.2026 24:00:00", "2026-03-01T00:00:00"),
        (f'format = "%d/%m/%Y %H:%M"\n{LONDON}', "29/03/2026 01:30", "time_skipped"),
        (f'format = "iso8601"\n{LONDON}', "2026-03-29T01:30:00", "time_skipped"),
        (f'format = "iso8601"\n{LONDON}', "20260329T013000", "time_skipped"),
        (f'format = "iso8601"\n{LONDON}', "2026-03-29T01:30:00+01:00", "2026-03-29T00:30:00"),
        ('format = ["iso8601", "%d/%m/%Y %H:%M"]', "31/12/2025 23:59", "2025-12-31T23:59:00"),
        ('format = ["iso8601", "%d/%m/%Y", "epoch_seconds"]', "1772359200", "2026-03-01T10:00:00"),
        (f'format = ["%d/%m/%Y %H:%M", "iso8601"]\n{LONDON}', "29/03/2026 01:30", "time_skipped"),
        ('format = ["iso8601", "%d/%m/%Y"]', "tomorrow", "time_unreadable"),
        ('format = ["epoch_seconds", "epoch_milliseconds"]', "1772359200123", "2026-03-01T10:00:00.123"),
        ('format = ["epoch_seconds", "iso8601"]', "99999999999999", "time_out_of_range"),
        (f'format = "iso8601"\n{LONDON}', "2026-07-01", "2026-06-30T23:00:00"),
        (f'format = "iso8601"\n{LONDON}', "20260701", "2026-06-30T23:00:00"),
        ('format = "iso8601"\nzone = "Africa/Cairo"', "2026-04-24", "2026-04-23T22:00:00"),
        ('format = "iso8601"\nzone = "Africa/Cairo"', "2026-04-24T00:30:00", "time_skipped"),
        ('format = "%d/%m/%Y"\nzone = "America/Santiago"', "06/09/2026", "2026-09-06T04:00:00"),
        ('format = "%d/%m/%Y %H:%M"\nzone = "Asia/Beirut"', "28/03/2026 24:00", "2026-03-28T22:00:00"),
        ('format = "iso8601"\nzone = "Pacific/Apia"', "2011-12-30", "time_skipped"),
    ],
)
def test_a_time_is_read_as_it_is_meant(section: str, text: str, utc: str) -> None:
    assert parsed(section, pa.array([text])) == [utc]


def test_the_first_format_that_fits_reads_each_time() -> None:
    texts = ["01/02/2026", "2026-02-03", "02/13/2026", None]
    section = 'format = ["%d/%m/%Y", "%m/%d/%Y", "iso8601"]'
    assert parsed(section, pa.array(texts)) == [
        "2026-02-01T00:00:00", "2026-02-03T00:00:00", "2026-02-13T00:00:00", "time_missing",
    ]  # fmt: skip


def test_whole_numbers_are_exact_in_nanoseconds() -> None:
    counts = pa.array([1_772_359_200_123_456_789, 1_772_359_200_123_457_000])
    wanted = ["2026-03-01T10:00:00.123456", "2026-03-01T10:00:00.123457"]
    assert parsed('format = "epoch_nanoseconds"', counts) == wanted
    assert parsed('format = "epoch_nanoseconds"', counts.cast(pa.string())) == wanted


def test_a_skipped_label_time_says_so() -> None:
    found = parse_label_times(pa.array(["2026-03-29T01:30:00", None]), "t", TimeFormat(zone="Europe/London"))
    fault = next(fault for fault in found.faults if fault.rows.any())
    assert fault.reason == "label_time_skipped"
    assert list(fault.rows) == [True, False]
    assert "Europe/London" in str(fault.message)


def joined(fields: str, time: str, **columns: list[str | None]) -> Cleaned:
    mapping = parse_mapping(f"[fields]\n{fields}\n[time]\n{time}\n", "test")
    batch = pa.table({name: pa.array(columns[name], pa.string()) for name in mapping.source_columns})
    return clean(batch, mapping, key=b"0123456789abcdef", source="f.csv", first_line=2, content_hash="c0ffee")


def test_a_time_in_several_columns_is_one() -> None:
    fields = 'event_time = ["Year", "Month", "Day", "Time"]\namount = "a"'
    found = joined(
        fields, 'format = "%Y %m %d %H:%M"',
        Year=["2002", "2002", "2002"], Month=["9", "12", "9"], Day=["1", "31", None], Time=["06:21", "23:59", "1:00"],
        a=["1", "2", "3"],
    )  # fmt: skip
    assert [str(time)[:16] for time in found.transactions["event_time"].to_pylist()] == [
        "2002-09-01 06:21", "2002-12-31 23:59",
    ]  # fmt: skip
    (row,) = found.rejected.to_pylist()
    assert (row["reason"], row["message"]) == ("time_missing", "column 'Year Month Day Time' is empty")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('format = "relative_hours"', "time.epoch is missing: relative_hours"),
        ("format = []", "names no format"),
        ('format = ["iso8601", "iso8601"]', "or one twice"),
        ('format = ["iso8601", "soon"]', "is neither a strptime pattern nor one of"),
    ],
)
def test_a_format_that_says_nothing_is_refused(section: str, problem: str) -> None:
    with pytest.raises(MappingError, match=problem):
        parse_mapping(f'[time]\n{section}\n[fields]\nevent_time = "t"\n', "test")


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@settings(deadline=None)
@given(MOMENTS, st.sampled_from(range(8)))
def test_every_spelling_of_a_time_is_that_time(moment: datetime, way: int) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    milli = f"{moment.microsecond // 1000:03d}"
    spellings = [
        f"{moment:%Y-%m-%dT%H:%M:%S}.{milli}Z",
        f"{moment:%Y%m%dT%H%M%S}.{milli}Z",
        f"{moment:%Y-%m-%d %H:%M:%S}.{milli} UTC",
        f"{moment:%Y-%m-%d %H:%M:%S},{milli}[GMT]",
        f"{moment:%Y%m%d %H%M%S}.{milli}+00:00",
        f"{moment + timedelta(hours=5):%Y-%m-%dT%H:%M:%S}.{milli}+0500",
        f"{moment + timedelta(hours=9):%Y%m%dT%H%M%S}.{milli} Asia/Tokyo",
        moment.astimezone(ZoneInfo("America/New_York")).isoformat(),
    ]
    found = parse_event_times(pa.array([spellings[way]]), "t", TimeFormat())
    assert found.values.to_pylist() == [moment], spellings[way]


@settings(deadline=None)
@given(MOMENTS, st.sampled_from(sorted(COUNTED)))
def test_every_count_of_a_time_is_that_time(moment: datetime, name: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC) if name.startswith("epoch_") else datetime(2020, 1, 1, tzinfo=UTC)
    step = timedelta(microseconds=max(COUNTED[name] // 1000, 1))
    whole = epoch + (moment - epoch) // step * step
    count = Decimal((whole - epoch) // timedelta(microseconds=1)) * 1000 / COUNTED[name]
    time = TimeFormat(format=name, epoch=None if name.startswith("epoch_") else epoch)
    found = parse_event_times(pa.array([f"{count.normalize():f}"]), "t", time)
    assert found.values.to_pylist() == [whole]


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789-:TZ +.[]UTCGM/", max_size=24)))
def test_no_text_breaks_the_batch(texts: list[str]) -> None:
    time = TimeFormat(format=("iso8601", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M %Z"), zone="Europe/London")
    found = parse_event_times(pa.array(texts, pa.string()), "t", time)
    refused = [any(fault.rows[row] for fault in found.faults) for row in range(len(texts))]
    assert [value is None for value in found.values.to_pylist()] == refused
