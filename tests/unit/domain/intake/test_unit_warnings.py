"""A file that spans minutes, or whose amounts are all whole, may have been read in a wrong unit."""

import pyarrow as pa
import pytest

from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.unit_warnings import Span, span_of, unit_warnings

STEPS = '[time]\nformat = "{}"\nepoch = "2026-01-01T00:00:00Z"\n'


def warned(section: str, times: list[str], amounts: list[str], codes: list[str]) -> str:
    """Return the warnings of a file that is read in two batches."""
    text = f'[fields]\nevent_time = "t"\namount = "a"\ncurrency = "c"\n{section}'
    mapping = parse_mapping(text, "test")
    rows = pa.table({"t": times, "a": amounts, "c": codes})
    span = Span()
    for batch in (rows.slice(0, 1), rows.slice(1, 0), rows.slice(1)):
        kept = clean(batch, mapping, key=b"0123456789abcdef", source="f", first_line=1, content_hash="c0ffee")
        span = span_of(kept.transactions, mapping, span)
    return " ".join(unit_warnings(mapping, span))


@pytest.mark.parametrize(
    ("unit", "told"), [("relative_seconds", True), ("relative_minutes", False), ("relative_hours", False)]
)
def test_a_file_that_spans_minutes_only_is_told(unit: str, told: bool) -> None:
    found = warned(STEPS.format(unit), ["1", "1", "743"], ["1.5", "2", "3"], ["EUR"] * 3)
    assert ("lie within 12.4 minutes" in found) == told
    assert ("relative_hours" in found) == told


def test_times_with_a_calendar_may_span_what_they_like() -> None:
    assert warned("", ["2026-03-01T10:00:00Z"] * 2, ["1.5", "2"], ["EUR"] * 2) == ""


@pytest.mark.parametrize(
    ("amounts", "codes", "section", "told"),
    [
        (["100000", "1099", "5"], ["USD", "EUR", "KWD"], "", True),
        (["100000", "1099.5", "5"], ["USD", "EUR", "KWD"], "", False),
        (["10.00", "20.00", "5.00"], ["EUR"] * 3, "", True),
        (["5000", "100", "7"], ["JPY", "KRW", "JPY"], "", False),
        (["5000", "100", "7"], ["JPY", "EUR", "JPY"], "", True),
        (["100000", "1099", "5"], ["USD"] * 3, '[amount]\nunit = "minor"\n', False),
    ],
)
def test_a_file_of_whole_amounts_is_told(amounts: list[str], codes: list[str], section: str, told: bool) -> None:
    found = warned(section, ["2026-03-01T10:00:00Z"] * 3, amounts, codes)
    assert ("amount.unit = 'minor'" in found) == told


@pytest.mark.parametrize(
    ("amounts", "codes", "told"),
    [
        (["1.50", "100.00", "7.25"], ["EUR", "EUR", "JPY"], "2 of 3 amounts are no whole number"),
        (["150", "999999999999.00", "1005"], ["EUR", "USD", "KWD"], ""),
        (["150", "33.5", "7"], ["EUR", "ISK", "JPY"], "1 of 3 amounts"),
    ],
)
def test_parts_of_the_smallest_unit_are_told(amounts: list[str], codes: list[str], told: str) -> None:
    section = '[amount]\nunit = "minor"\nminor_digits = {ISK = 2}\n'
    found = warned(section, ["2026-03-01T10:00:00Z"] * 3, amounts, codes)
    assert told in found if told else found == ""
    assert "smallest unit" not in warned("", ["2026-03-01T10:00:00Z"] * 3, ["1.505", "2", "3"], ["EUR"] * 3)


def test_of_one_payment_nothing_is_told() -> None:
    assert warned("", ["2026-03-01T10:00:00Z"], ["5"], ["EUR"]) == ""
