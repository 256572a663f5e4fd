"""Cases of files that mappings could not describe: each is read to the right values, with what its mapping says now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from shared_folder import CASES
from two_processes import rows_of

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import InputFileError
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.intake.curate import curate
from counterfoil.workspace.new_mapping import new_mapping

OWN: Mapping[str, str] = {}
PACS008 = str(Path(__file__).parents[2] / "src/counterfoil/mappings/iso20022-pacs008.toml")

pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"no shared cases in {CASES}: set COUNTERFOIL_SHARED_DATA")


class Collected:
    """A case that was collected: its payments in the order of the file, and the reasons of what was refused."""

    def __init__(self, place: Path, file: str, mapping: str, changes: Mapping[str, str] = OWN, more: str = "") -> None:
        text = ((CASES / file).parent / mapping).read_text()
        for old, new in changes.items():
            assert old in text, f"{mapping} has no {old!r}"
            text = text.replace(old, new)
        self.lake = FolderTables(place / "lake")
        [done] = collect(
            [CASES / file], parse_mapping(text + more, "case"), key=b"k" * 16, reader=InputFiles(), tables=self.lake,
            ledger=MemoryLedger(),
        )  # fmt: skip
        self.payments = sorted(rows_of(self.lake, "transactions"), key=lambda row: row["source_line"])
        rejected = sorted(rows_of(self.lake, "rejected"), key=lambda row: row["source_line"])
        self.refused = [(row["source_line"], row["reason"]) for row in rejected]
        self.warnings = done.warnings
        assert done.rows_in == len(self.payments) + len(self.refused)

    def amounts(self) -> list[str]:
        """Return the amounts without the zeros at their ends."""
        return [f"{row['amount'].normalize():f}" for row in self.payments]

    def times(self) -> list[str]:
        """Return the times (UTC, ISO 8601)."""
        return [row["event_time"].isoformat().removesuffix("+00:00") for row in self.payments]

    def column(self, name: str) -> list[Any]:
        """Return a column's values."""
        return [row.get(name) for row in self.payments]


@pytest.mark.parametrize(
    ("file", "ids", "amounts"),
    [
        ("firehose-2026-03-01.json", ["t-1", "t-2", "t-3"], ["12.5", "7.25", "99.99"]),
        ("array.json", ["t-7", "t-8"], ["1", "2"]),
    ],
)
def test_01_objects_one_after_another_and_arrays(file: str, ids: list[str], amounts: list[str], tmp_path: Path) -> None:
    found = Collected(tmp_path, f"01_firehose_concatenated/{file}", "mapping.toml")
    assert (found.column("transaction_id"), found.amounts(), found.refused) == (ids, amounts, [])


def test_02_exponents_are_numbers(tmp_path: Path) -> None:
    found = Collected(tmp_path, "02_spark_exponents/part-00000.csv", "mapping_csv.toml")
    assert found.amounts() == ["129.95", "13780000", "0.01", "0"]
    assert found.column("balance") == [5000.0, 1.5e7, 12.0, 12.0]


def test_03_every_blank_between_groups_is_one(tmp_path: Path) -> None:
    found = Collected(tmp_path, "03_nbsp_thousands/montants.csv", "mapping.toml")
    assert (found.amounts(), found.refused) == (["1234.56"] * 4, [])


@pytest.mark.parametrize("mapping", ["iso", "java", "literal", "fraction", "upper_z"])
def test_05_a_zone_behind_a_time_and_a_fraction_that_may_be_there(mapping: str, tmp_path: Path) -> None:
    found = Collected(tmp_path, "05_times_with_utc_suffix/export.csv", f"{mapping}.toml")
    seconds = ["10:00:00", "10:00:00.500000", "10:00:00.123456", "10:00:01"]
    assert (found.times(), found.refused) == ([f"2026-03-01T{second}" for second in seconds], [])


def test_05_offsets_in_every_spelling(tmp_path: Path) -> None:
    found = Collected(tmp_path, "05_times_with_utc_suffix/afd.csv", "iso.toml")
    assert found.times() == ["2020-11-04T09:39:29"] * 3 + ["2020-11-04T16:39:29"]


@pytest.mark.parametrize(
    ("file", "amounts", "refused"),
    [
        ("bom.csv", ["12.5"], []),
        ("header_longer.csv", ["12.5", "7.25"], []),
        ("rows_longer.csv", ["12.5", "7.25"], []),
        ("short_row.csv", ["7.25"], [(2, "ragged_row")]),
    ],
)
def test_08_header_and_rows_that_differ_by_empty_cells(
    file: str, amounts: list[str], refused: list[tuple[int, str]], tmp_path: Path
) -> None:
    found = Collected(tmp_path, f"08_columns_that_do_not_match_header/{file}", "mapping.toml")
    assert (found.amounts(), found.refused) == (amounts, refused)
    assert set(found.column("merchant_id")) <= {"NORTH SHOP", "SOUTH SHOP"}
    assert set(found.column("category")) == {"DEB"}


def test_09_lines_above_the_header(tmp_path: Path) -> None:
    file = "09_preamble_and_footer/export.csv"
    with pytest.raises(Exception, match=r"the header seems to be line 7: write file.skip_lines = 6"):
        Collected(tmp_path / "as given", file, "mapping.toml")
    changes = {"[file]\n": "[file]\nskip_lines = 6\n", "[amount]\n": '[amount]\ndebits = "negative"\n'}
    found = Collected(tmp_path, file, "mapping.toml", changes)
    assert (found.amounts(), found.refused) == (["35", "1050"], [])
    assert found.times() == ["2026-02-28T23:00:00", "2026-03-10T23:00:00"]


@pytest.mark.parametrize(("file", "reason"), [("footer.csv", "ragged_row"), ("total_row.csv", "time_unreadable")])
def test_09_a_line_below_the_table_is_no_payment(file: str, reason: str, tmp_path: Path) -> None:
    found = Collected(tmp_path, f"09_preamble_and_footer/{file}", "mapping.toml")
    assert (found.amounts(), found.refused) == (["35"], [(3, reason)])


def test_10_signs_have_sides(tmp_path: Path) -> None:
    file = "10_signs_and_symbols/negative_debits.csv"
    debits = Collected(tmp_path / "debits", file, "mapping.toml", more='[amount]\ndebits = "negative"\n')
    assert (debits.amounts(), debits.refused) == (["200", "100"], [(3, "amount_other_side")])
    both = Collected(tmp_path / "both", file, "mapping.toml", more='[amount]\ndebits = "negative"\nkeep = "both"\n')
    assert (both.amounts(), both.column("direction")) == (["200", "1320.27", "100"], ["debit", "credit", "debit"])


def test_10_symbols_brackets_and_marks(tmp_path: Path) -> None:
    style = 'symbols = {"$" = "USD", "€" = "EUR", "EUR" = "EUR"}\ndebits = "negative"\nkeep = "both"\n'
    found = Collected(tmp_path, "10_signs_and_symbols/symbols.csv", "mapping.toml", more=f"[amount]\n{style}")
    assert found.amounts() == ["1.23", "33.52", "63.12", "1.23", "12", "12", "12", "12"]
    sides = ["credit", "debit", "debit", "credit", "debit", "debit", "credit", "debit"]
    assert found.column("direction") == sides
    assert found.column("currency") == ["USD", None, "EUR", "EUR", None, None, None, None]
    # One cell has a decimal comma in a file of points.
    assert found.refused == [(3, "amount_unreadable")]


def test_11_steps_of_an_hour(tmp_path: Path) -> None:
    file = "11_paysim_hours/paysim.csv"
    seconds = Collected(tmp_path / "seconds", file, "mapping.toml")
    assert "relative_hours" in seconds.warnings[0]
    hours = Collected(tmp_path / "hours", file, "mapping.toml", {"relative_seconds": "relative_hours"})
    assert hours.times() == ["2026-01-01T01:00:00"] * 2 + ["2026-01-02T00:00:00", "2026-01-31T23:00:00"]
    assert not hours.warnings


def test_11_days_of_a_spreadsheet(tmp_path: Path) -> None:
    file, layout = "11_paysim_hours/excel_serial.csv", "../10_signs_and_symbols/mapping.toml"
    found = Collected(tmp_path, file, layout, {"iso8601": "excel_serial"})
    assert found.times() == ["2026-03-01T10:00:00", "2026-03-01T12:00:00"]


WRAPPED = {
    "bizmsgenvlp": 1, "blank_line_first": 1, "bom_utf8": 1, "comments_cdata": 1, "datapdu_prefixed": 1,
    "fedwire_many": 3, "iso8859_15_declared": 1, "signature_any": 1, "utf16": 1, "utf16_declared_but_utf8": 1,
    "versions": 12,
}  # fmt: skip
"""File of case 15 -> its payments, each of 10.00 EUR at nine in the morning (UTC)."""


@pytest.mark.parametrize(("file", "payments"), WRAPPED.items())
def test_15_transfers_in_every_wrapper_version_and_encoding(file: str, payments: int, tmp_path: Path) -> None:
    found = Collected(tmp_path, f"15_iso20022_wrappers/{file}.xml", PACS008)
    assert (found.amounts(), found.refused) == (["10"] * payments, [])
    assert found.times() == ["2026-03-01T09:00:00"] * payments
    assert found.column("currency") == ["EUR"] * payments
    assert len(set(found.column("transaction_id"))) == payments


def test_15_times_at_the_end_of_a_day_and_below_microseconds(tmp_path: Path) -> None:
    late = Collected(tmp_path / "late", "15_iso20022_wrappers/naive_24h.xml", PACS008)
    assert late.times() == ["2026-03-02T00:00:00"]
    fine = Collected(tmp_path / "fine", "15_iso20022_wrappers/frac12.xml", PACS008)
    assert fine.times() == ["2026-03-01T10:00:00.123456"]


def test_15_a_comma_in_an_amount_costs_its_payment(tmp_path: Path) -> None:
    found = Collected(tmp_path, "15_iso20022_wrappers/amount_comma.xml", PACS008)
    assert (found.amounts(), found.refused) == ([], [(1, "amount_unreadable")])


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("ampersand", "line 3: an '&' that stands by itself: write &amp; instead"),
        ("cdata_inside_soap", "holds no pacs.008 or pain.001 message, but the text of one, in a CDATA section"),
        ("doctype", "has a document type or entities"),
        ("latin1_undeclared", "bytes that are no text in the file's encoding: name the right one"),
        ("pacs004_return", "holds no pacs.008 or pain.001 message, but pacs.004$"),
        ("pacs009", "holds no pacs.008 or pain.001 message, but pacs.009$"),
    ],
)
def test_15_what_is_no_transfer_is_refused_by_name(file: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=rf"{file}\.xml .*{problem}"):
        Collected(tmp_path, f"15_iso20022_wrappers/{file}.xml", PACS008)


NAMES = ["p1", "p2", "p3"]
MORNING = [f"2026-03-01T10:0{minute}:00" for minute in range(3)]


@pytest.mark.parametrize(
    ("file", "mapping", "changes", "times", "amounts", "labels"),
    [
        ("date_only", "mapping", OWN, ["2026-03-01T00:00:00"] * 3, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("decimal256", "mapping", OWN, MORNING, ["1.25"] * 3, [0, 1, 0]),
        ("decimal_wide", "mapping", OWN, MORNING, ["1.25", "2.5", "1000"], [0, 1, 0]),
        ("float16_32", "mapping", OWN, MORNING, ["0.1", "19.99", "1234567.875"], [0, 1, 0]),
        ("impala_binary", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("label_bool", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, None]),
        ("label_float", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, None]),
        ("micros_int64", "micros", {"milliseconds": "microseconds"}, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("pandas_index", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, None]),
        ("polars_large", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("polars_views", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("struct_column", "struct", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("text_times", "iso", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
        ("time_tz", "mapping", OWN, MORNING, ["1.25", "2.5", "3"], [0, 1, 0]),
    ],
)
def test_16_parquet_of_other_writers(
    file: str, mapping: str, changes: Mapping[str, str], times: list[str], amounts: list[str], labels: list[int | None],
    tmp_path: Path,
) -> None:  # fmt: skip
    found = Collected(tmp_path, f"16_parquet_of_other_writers/{file}.parquet", f"{mapping}.toml", changes)
    assert (found.column("transaction_id"), found.times(), found.refused) == (NAMES, times, [])
    assert (found.amounts(), found.column("label")) == (amounts, labels)
    accounts = found.column("account_id")
    assert accounts[0] == accounts[2] != accounts[1]


def test_16_ids_of_twenty_digits_an_empty_table_and_a_list(tmp_path: Path) -> None:
    folder = "16_parquet_of_other_writers"
    large = Collected(tmp_path / "large", f"{folder}/uint64_ids.parquet", "mapping.toml")
    assert large.column("transaction_id") == ["18446744073709551615", "18446744073709551614", "1"]
    assert Collected(tmp_path / "empty", f"{folder}/empty.parquet", "mapping.toml").payments == []
    with pytest.raises(Exception, match=r"column 'account' holds list<.*map another column"):
        Collected(tmp_path / "list", f"{folder}/list_column.parquet", "mapping.toml")


# Rows by their address; an address is hashed in one spelling, so its payments have one id.
ADDRESSES = {
    "8.8.8.8": (1, 2, 3, 4, 5, 7, 8, 9, 24),
    "2001:4860:4860::8888": (14, 15, 16, 17, 18, 22, 23),
    "fe80::1": (19, 20, 21),
    "::808:808": (6,),
    "10.0.0.7": (28,),
    "100.64.1.1": (29,),
    "203.0.113.9": (30,),
}
NO_ADDRESSES = (10, 11, 12, 13, 25, 26, 27)


def test_18_an_address_has_one_id_however_it_is_written(tmp_path: Path) -> None:
    found = Collected(tmp_path, "18_ip_spellings/logins.csv", "mapping.toml")
    ids = dict(zip(found.column("transaction_id"), found.column("source_ip_id"), strict=True))
    for rows in ADDRESSES.values():
        assert len({ids[f"i{row}"] for row in rows}) == 1, rows
    curate(found.lake)
    known = {row["source_ip_id"]: row["address"] for row in rows_of(found.lake, "source_ips")}
    assert {known[ids[f"i{rows[0]}"]] for rows in ADDRESSES.values()} == set(ADDRESSES)
    assert {known[ids[f"i{row}"]] for row in NO_ADDRESSES} == {None}
    assert len(set(ids.values())) == len(ADDRESSES) + len(NO_ADDRESSES)


@pytest.mark.parametrize(
    ("file", "lists", "unreadable"),
    [
        ("feed.csv", [5, 2, 0], 0),
        ("ipset_save.txt", [1, 1, 0], 0),
        ("ipsum.txt", [5, 2, 0], 0),
        ("mixed_with_networks.txt", [7, 2, 0], 0),
        ("plain_levels_3.txt", [1, 1, 0], 0),
        ("spamhaus_drop.txt", [1, 1, 0], 0),
    ],
)
def test_19_blocklists_in_every_form(file: str, lists: list[int], unreadable: int, tmp_path: Path) -> None:
    folder = CASES / "19_blocklist_formats"
    found = Collected(tmp_path, "19_blocklist_formats/logins.csv", "mapping.toml")
    summary = curate(found.lake, blocklist=folder / file)
    assert summary.blocklist_lines_unreadable == unreadable
    known = {row["source_ip_id"]: row["blocklists"] for row in rows_of(found.lake, "source_ips")}
    assert [known[one] for one in found.column("source_ip_id")] == lists


def test_20_the_hour_that_clocks_skip_says_so(tmp_path: Path) -> None:
    local = Collected(tmp_path / "local", "20_dst_and_zones/local.csv", "mapping.toml")
    assert local.refused == [(3, "time_skipped")]
    assert local.times() == [
        "2026-03-29T00:59:00", "2026-03-29T01:00:00", "2026-10-25T00:30:00", "2026-10-25T00:30:00",
        "2026-10-25T02:10:00",
    ]  # fmt: skip
    iso = Collected(tmp_path / "iso", "20_dst_and_zones/iso.csv", "iso.toml")
    assert iso.refused == [(3, "time_skipped")]
    assert iso.times() == ["2026-03-29T00:59:00", "2026-03-29T00:30:00"]


def test_24_minor_units_by_each_currencys_digits(tmp_path: Path) -> None:
    file = "24_minor_units/settlement.csv"
    assert "amount.unit = 'minor'" in Collected(tmp_path / "major", file, "mapping.toml").warnings[0]
    found = Collected(tmp_path, file, "mapping.toml", more='[amount]\nunit = "minor"\n')
    assert (found.amounts(), found.warnings) == (["1000", "10.99", "5000", "12.345"], ())


@pytest.mark.parametrize("file", ["utf16_bom.txt", "utf16_nobom.txt", "utf8_bom.txt", "cr_only.txt"])
def test_25_encodings(file: str, tmp_path: Path) -> None:
    mapping = {"utf16_bom.txt": "mapping", "utf16_nobom.txt": "le"}.get(file, "utf8")
    found = Collected(tmp_path, f"25_encodings/{file}", f"{mapping}.toml")
    assert (found.amounts(), found.refused) == (["12.5", "7.25"], [])
    assert found.column("merchant_id") == ["Müller & Söhne €", "Łódź Shop"]


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("01_firehose_concatenated/array.json", {"transaction_id": "id", "event_time": "at", "merchant": "shop"}),
        ("11_paysim_hours/paysim.csv", {"event_time": "step", "account": "nameOrig", "label": "isFraud"}),
        ("24_minor_units/settlement.csv", {"event_time": "at", "amount": "amount", "currency": "currency"}),
    ],
)
def test_a_guessed_mapping_names_the_columns_of_a_case(file: str, fields: dict[str, str]) -> None:
    guessed = parse_mapping(new_mapping(CASES / file), "guessed").fields.mapped()
    assert {name: guessed.get(name) for name in fields} == fields
