"""A zone that stands behind a time is that time's, row by row; one that nobody can know is refused by its name."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.intake.parsing_times import parse_event_times, parse_label_times

PATTERN = "%Y-%m-%d %H:%M:%S %Z"
SUMMER, WINTER = "2026-07-01 10:00:00", "2026-01-15 10:00:00"
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "")
CASES = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", "/nowhere")).parent / "cases/input/23_strptime_zone_names"


def parsed(texts: list[str], time: TimeFormat) -> list[datetime | str]:
    """The times in UTC, or why there is none."""
    found = parse_event_times(pa.array(texts), "ts", time)
    times: list[datetime | str] = found.values.to_pylist()
    for fault in reversed(found.faults):
        for place in fault.rows.nonzero()[0]:
            times[place] = fault.reason
    return times


def at(text: str, offset: float) -> datetime:
    return (datetime.fromisoformat(text) - timedelta(hours=offset)).replace(tzinfo=UTC)


@pytest.mark.parametrize("written", [PATTERN, "iso8601"])
@pytest.mark.parametrize(
    ("time", "zone", "offset"),
    [
        (SUMMER, "UTC", 0), (SUMMER, "utc", 0), (SUMMER, "GMT", 0), (SUMMER, "Europe/Berlin", 2),
        (WINTER, "Europe/Berlin", 1), (SUMMER, "america/new_york", -4), (WINTER, "America/New_York", -5),
        (SUMMER, "Asia/Kolkata", 5.5), (SUMMER, "CEST", 2), (SUMMER, "CET", 1), (SUMMER, "EDT", -4),
        (SUMMER, "EST", -5), (SUMMER, "MESZ", 2), (WINTER, "MEZ", 1),
        (SUMMER, "JST", 9), (SUMMER, "UTC+2", 2), (SUMMER, "GMT-0330", -3.5), (SUMMER, "UTC+05:30", 5.5),
        (SUMMER, "Etc/GMT+5", -5), (SUMMER, "Japan", 9),
    ],
)  # fmt: skip
def test_a_zone_is_its_times_whatever_the_mappings_is(written: str, time: str, zone: str, offset: float) -> None:
    for own in ("UTC", "Pacific/Auckland"):
        assert parsed([f"{time} {zone}"], TimeFormat(format=written, zone=own)) == [at(time, offset)]


@pytest.mark.parametrize("written", [PATTERN, "iso8601"])
@pytest.mark.parametrize("zone", ["CST", "IST", "BST", "PST", "XYZ", "Mars/Base", "Berlin", "UTC+99"])
def test_a_zone_that_is_unknown_or_several_is_refused_by_name(written: str, zone: str) -> None:
    texts = [f"{SUMMER} UTC", f"{SUMMER} {zone}", SUMMER]
    time = TimeFormat(format=written, zone="Europe/Berlin")
    assert parsed(texts, time) == [at(SUMMER, 0), "time_zone_unknown", at(SUMMER, 2)]
    (fault,) = [f for f in parse_event_times(pa.array(texts), "ts", time).faults if f.reason == "time_zone_unknown"]
    message = fault.message[1].as_py()
    assert "column 'ts' names a time zone" in message
    assert "set time.zone" in message
    assert (repr(zone) in message) == (zone not in ("UTC+99", "Berlin"))  # it may be somebody's name


@pytest.mark.parametrize(
    ("own", "zone", "offset"),
    [
        ("Europe/London", "BST", 1), ("Asia/Kolkata", "IST", 5.5), ("Europe/Dublin", "IST", 1),
        ("Asia/Shanghai", "CST", 8),
        ("America/Chicago", "CST", -6), ("America/Chicago", "CDT", -5), ("America/Los_Angeles", "PST", -8),
    ],
)  # fmt: skip
def test_an_abbreviation_of_several_zones_is_the_mappings_own(own: str, zone: str, offset: float) -> None:
    assert parsed([f"{SUMMER} {zone}"], TimeFormat(format=PATTERN, zone=own)) == [at(SUMMER, offset)]


@pytest.mark.parametrize("own", ["UTC", "Europe/Moscow"])
def test_an_abbreviation_that_was_moved_is_that_of_its_year(own: str) -> None:
    days = {"2008-01-15": 3, "2011-01-15": 3, "2011-07-15": 4, "2012-07-15": 4, "2014-07-15": 4, "2014-12-15": 3}
    for some in ([*days, "2026-07-15"], *([day] for day in days)):
        texts = [f"{day} 10:00:00 MSK" for day in some]
        expected = [at(f"{day} 10:00:00", days.get(day, 3)) for day in some]
        assert parsed(texts, TimeFormat(format=PATTERN, zone=own)) == expected


def test_an_abbreviation_tells_the_two_passes_of_an_hour_apart() -> None:
    time = TimeFormat(format=PATTERN, zone="Europe/Berlin")
    texts = [f"2026-10-25 02:30:00 {name}" for name in ("CEST", "CET", "Europe/Berlin", "")]
    assert [str(found)[11:16] for found in parsed(texts, time)] == ["00:30", "01:30", "00:30", "00:30"]
    assert parsed(["2026-03-29 02:30:00 Europe/Berlin"], time) == ["time_skipped"]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%a %b %d %H:%M:%S %Z %Y", "Wed Jul 01 10:00:00 EDT 2026"),
        ("%d/%m/%Y %I:%M %p (%Z)", "01/07/2026 10:00 AM (America/New_York)"),
        ("%Z %Y-%m-%dT%H:%M:%S.%f", "America/New_York 2026-07-01T10:00:00.000"),
        ("%Y%m%d %H%M%S%Z", "20260701 100000EDT"),
        ("%d-%b-%y %I.%M.%S.%f %p %Z", "01-JUL-26 10.00.00.000000 AM -04:00"),
        ("%d-%b-%y %I.%M.%S.%f %p %Z", "01-JUL-26 10.00.00.000000 AM AMERICA/NEW_YORK"),
        ("%Y-%m-%d %H:%M:%S %z (%Z)", "2026-07-01 10:00:00 -0400 (Nowhere)"),
        ("iso8601", "2026-07-01T10:00:00-04:00[America/New_York]"),
        ("iso8601", "2026-07-01T10:00[America/New_York]"),
    ],
)
def test_a_zone_may_stand_anywhere(pattern: str, text: str) -> None:
    assert parsed([text], TimeFormat(format=pattern, zone="Asia/Tokyo")) == [at(SUMMER, -4)]


@pytest.mark.parametrize("written", [PATTERN, "iso8601"])
@pytest.mark.parametrize(
    "text", ["UTC", f"{SUMMER} Ann Smith", f"{SUMMER} AM", f"{SUMMER} 5", "2026-13-01 10:00:00 UTC"]
)
def test_what_is_no_time_is_unreadable_and_nothing_of_it_is_shown(written: str, text: str) -> None:
    time = TimeFormat(format=written)
    (found,) = parsed([text], time)
    assert found in ("time_unreadable", "time_zone_unknown")
    for fault in parse_event_times(pa.array([text]), "ts", time).faults:
        if fault.rows.any():
            told = fault.message if isinstance(fault.message, str) else fault.message[0].as_py()
            assert "Ann" not in told


def test_a_label_time_of_an_unknown_zone_is_refused() -> None:
    found = parse_label_times(pa.array([f"{SUMMER} CST", None]), "ts", TimeFormat(format=PATTERN))
    assert next(fault.reason for fault in found.faults if fault.rows.any()) == "label_time_zone_unknown"
    assert [list(fault.rows) for fault in found.faults] == [[True, False]] * 2


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(50))
@given(
    rows=st.lists(
        st.tuples(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), st.sampled_from(ZONES)), max_size=20
    ),
    own=st.sampled_from(ZONES[:-1]),
    written=st.sampled_from([PATTERN, "iso8601"]),
)
def test_every_time_is_as_its_zone_says(rows: list[tuple[datetime, str]], own: str, written: str) -> None:
    times = parsed(
        [f"{time:%Y-%m-%d %H:%M:%S} {zone}".strip() for time, zone in rows], TimeFormat(format=written, zone=own)
    )
    for found, (time, zone) in zip(times, rows, strict=True):
        place = ZoneInfo(zone or own)
        exact = time.replace(microsecond=0, tzinfo=place).astimezone(UTC)
        exists = exact.astimezone(place).replace(tzinfo=None) == time.replace(microsecond=0)
        assert found == (exact if exists else "time_unreadable")


def test_zone_names_of_the_shared_cases_are_their_times() -> None:
    if not CASES.exists():
        pytest.skip("needs the shared cases (COUNTERFOIL_SHARED_DATA)")
    mapping, found = load_mapping(str(CASES / "mapping.toml")), []
    for path in sorted(CASES.glob("*.csv")):
        for batch in InputFiles().batches(path, mapping):
            times = parse_event_times(batch.table["ts"].combine_chunks(), "ts", mapping.time).values
            found += [f"{time:%H:%M}" for time in times.to_pylist()]
    assert found == ["14:00", "10:00", "10:05"]
