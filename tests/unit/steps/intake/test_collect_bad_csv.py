"""Bad CSV and TSV: the bad rows are kept with a reason code, and their good neighbours arrive."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import InputFileError, MappingError
from counterfoil.steps.intake.collect import CollectedFile, collect

FIELDS = '[fields]\ntransaction_id = "id"\nevent_time = "time"\namount = "amount"\naccount = "who"\nmerchant = "shop"\n'
HEADER = b"id,time,amount,who,shop\n"
FIRST = b"first,2024-01-01T10:00:00Z,10.00,ann,Bakery\n"
LAST = b"last,2024-01-01T12:00:00Z,12.00,bob,Butcher\n"
BETWEEN = "2024-01-01T11:00:00Z"


def run(folder: Path, content: bytes, sections: str = "", name: str = "in.csv") -> CollectedFile:
    path = folder / name
    path.write_bytes(content)
    mapping = parse_mapping(FIELDS + sections, "shop")
    (done,) = collect(
        [path], mapping, key=bytes(16), reader=InputFiles(), tables=FolderTables(folder / "lake"), ledger=MemoryLedger()
    )
    return done


def visible(folder: Path, table: str = "transactions") -> list[dict[str, Any]]:
    return [
        row for file in FolderTables(folder / "lake").files(table) for row in pq.ParquetFile(file).read().to_pylist()
    ]


def shops(folder: Path) -> dict[str, str]:
    return {row["transaction_id"]: row["merchant_id"] for row in visible(folder)}


def reasons(folder: Path) -> list[tuple[int, str]]:
    return [(row["source_line"], row["reason"]) for row in visible(folder, "rejected")]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (f"x,{BETWEEN},11.00,ann", "ragged_row"),
        (f"x,{BETWEEN},11.00,ann,Shop,more", "ragged_row"),
        ("x", "ragged_row"),
        (f"x,{BETWEEN},11.00,ann,Sh\0op", "text_unreadable"),
        (f"x\0y,{BETWEEN},11.00,ann,Shop", "text_unreadable"),
        (f"x,{BETWEEN},11\0,ann,Shop", "amount_unreadable"),
        (f"x,{BETWEEN},11.00,ann,Sh\udcffop", "bytes_unreadable"),
        (f"x,{BETWEEN},11.00,ann,caf\udce9", "bytes_unreadable"),  # Latin-1 in UTF-8
        (f"x,{BETWEEN},11.00,ann,\udced\udca0\udc80", "bytes_unreadable"),  # a surrogate in UTF-8
        (f",{BETWEEN},11.00,ann,Shop", "id_missing"),
        (f"first,{BETWEEN},11.00,ann,Shop", "duplicate_id_other_content"),
        ("x,,11.00,ann,Shop", "time_missing"),
        ("x,2024-02-30T00:00:00Z,11.00,ann,Shop", "time_unreadable"),
        ("x,2024-13-01T00:00:00Z,11.00,ann,Shop", "time_unreadable"),
        ("x,2024-01-01T25:00:00Z,11.00,ann,Shop", "time_unreadable"),
        ("x,01/02/2024,11.00,ann,Shop", "time_unreadable"),
        ("x,0000-00-00T00:00:00Z,11.00,ann,Shop", "time_unreadable"),
        ("x,1970-01-01T00:00:00Z,11.00,ann,Shop", "time_out_of_range"),
        ("x,2999-01-01T00:00:00Z,11.00,ann,Shop", "time_out_of_range"),
        ("x,9999-12-31T23:59:59Z,11.00,ann,Shop", "time_out_of_range"),
        (f"x,{BETWEEN},,ann,Shop", "amount_missing"),
        (f"x,{BETWEEN},-11.00,ann,Shop", "amount_negative"),
        (f"x,{BETWEEN},NaN,ann,Shop", "amount_unreadable"),
        (f"x,{BETWEEN},Infinity,ann,Shop", "amount_unreadable"),
        (f"x,{BETWEEN},-inf,ann,Shop", "amount_unreadable"),
        (f"x,{BETWEEN},1e308,ann,Shop", "amount_too_large"),
        (f"x,{BETWEEN},{'9' * 309},ann,Shop", "amount_too_large"),
        (f'x,{BETWEEN},"1.234,56",ann,Shop', "amount_unreadable"),
        (f"x,{BETWEEN},0x10,ann,Shop", "amount_unreadable"),
    ],
)
def test_a_bad_row_is_rejected_and_its_neighbours_arrive(tmp_path: Path, bad: str, reason: str) -> None:
    content = HEADER + FIRST + bad.encode("utf-8", "surrogateescape") + b"\n" + LAST
    done = run(tmp_path, content)
    assert (done.rows_in, done.rows_out, done.rejected) == (3, 2, {reason: 1})
    assert shops(tmp_path) == {"first": "Bakery", "last": "Butcher"}
    assert reasons(tmp_path) == [(3, reason)]


@pytest.mark.parametrize(
    ("content", "sections"),
    [
        (b"\xef\xbb\xbf" + HEADER + FIRST + LAST, ""),
        ((HEADER + FIRST + LAST).replace(b"\n", b"\r\n"), ""),
        ((HEADER + FIRST + LAST).replace(b"\n", b"\r"), ""),
        (HEADER + FIRST + LAST.rstrip(), ""),
        (HEADER + b"\n" + FIRST + b"\n\n" + LAST, ""),
        ((HEADER + FIRST + LAST).replace(b",", b"\t"), '[file]\ndelimiter = "\\t"\n'),
        ((HEADER + FIRST + LAST).replace(b",", b";").replace(b".00", b",00"), '[file]\ndelimiter = ";"\n[amount]\n'
         'decimal_mark = ","\nthousands_mark = "."\n'),
        ((HEADER + FIRST + LAST).replace(b"id,", b"id,unread,unread,").replace(b"st,", b"st,\xff,\0,"), ""),
    ],
    ids=["mark", "crlf", "cr", "no last line end", "blank lines", "tsv", "semicolons", "unread columns"],
)  # fmt: skip
def test_layouts_that_are_read_as_they_are(tmp_path: Path, content: bytes, sections: str) -> None:
    done = run(tmp_path, content, sections)
    assert (done.rows_in, done.rows_out, done.rejected) == (2, 2, {})
    assert shops(tmp_path) == {"first": "Bakery", "last": "Butcher"}
    assert [str(row["amount"]) for row in visible(tmp_path)] == ["10.0000", "12.0000"]


def test_latin_1_is_read_as_the_mapping_says(tmp_path: Path) -> None:
    run(tmp_path, HEADER + FIRST.replace(b"Bakery", b"Caf\xe9"), '[file]\nencoding = "latin-1"\n')
    assert shops(tmp_path) == {"first": "Café"}


def test_latin_1_that_is_not_declared_is_told_with_line_byte_and_setting(tmp_path: Path) -> None:
    done = run(tmp_path, HEADER + FIRST + LAST.replace(b"Butcher", b"Caf\xe9") + LAST.replace(b"Butcher", b"Stra\xdfe"))
    assert done.rejected == {"bytes_unreadable": 2}
    assert done.warnings == (
        "line 3: column 'shop' holds the byte 0xE9, which is no text in utf-8: set file.encoding (perhaps 'latin-1' "
        "or 'cp1252')",
    )


def test_line_breaks_in_quotes_are_part_of_the_cell_and_count_as_one_record(tmp_path: Path) -> None:
    quoted = f'x,{BETWEEN},11.00,ann,Shop,"Text\r\n""two"", lines"\n'.encode()
    header = HEADER.replace(b"\n", b",note\n")
    last = LAST.replace(b"\n", b",x\n")
    run(tmp_path, header + quoted + b"bad\n" + last, '[evidence.textual]\nnote = "note"\n')
    assert {row["transaction_id"]: row["note"] for row in visible(tmp_path)} == {
        "x": 'Text\r\n"two", lines',
        "last": "x",
    }
    assert reasons(tmp_path) == [(4, "ragged_row")]  # by its line


def test_a_merchant_of_two_lines_is_rejected(tmp_path: Path) -> None:
    quoted = f'x,{BETWEEN},11.00,ann,"Shop\r\n""two"", lines"\n'.encode()
    done = run(tmp_path, HEADER + quoted + LAST)
    assert (done.rows_in, done.rejected) == (2, {"line_break": 1})
    assert shops(tmp_path) == {"last": "Butcher"}


def test_a_quote_that_is_never_closed_costs_its_row_and_no_other(tmp_path: Path) -> None:
    done = run(tmp_path, HEADER + b'x,"never closed,1,ann,Shop\n' + FIRST)
    assert (done.rows_in, done.rejected) == (2, {"time_unreadable": 1})
    assert shops(tmp_path) == {"first": "Bakery"}


@pytest.mark.parametrize("amount", ["1.234,56", "1234,56", "+1.234,5600"])
def test_a_decimal_comma_is_the_mappings(tmp_path: Path, amount: str) -> None:
    sections = '[amount]\ndecimal_mark = ","\nthousands_mark = "."\n'
    done = run(
        tmp_path, HEADER + f'x,{BETWEEN},"{amount}",ann,Shop\ny,{BETWEEN},"1,234.56",ann,Shop\n'.encode(), sections
    )
    assert [str(row["amount"]) for row in visible(tmp_path)] == ["1234.5600"]
    assert done.rejected == {"amount_unreadable": 1}


def test_an_id_that_another_file_had_is_rejected(tmp_path: Path) -> None:
    run(tmp_path, HEADER + FIRST, name="one.csv")
    done = run(tmp_path, HEADER + FIRST + LAST + LAST, name="two.csv")
    assert (done.rows_in, done.rows_out, done.rejected) == (3, 1, {"duplicate_id": 2})
    assert shops(tmp_path) == {"first": "Bakery", "last": "Butcher"}


@pytest.mark.parametrize(
    ("content", "error", "problem"),
    [
        (b"", InputFileError, "is empty: it has not even a header"),
        (b"\xef\xbb\xbf", InputFileError, "is empty: it has not even a header"),
        (b"\r\n\r\n", InputFileError, "is empty: it has not even a header"),
        (b"id,time,who,shop\n", MappingError, "column 'amount' is not in the file (columns: id, time, who, shop)"),
        (b"id,amount,time,amount,who,shop\n", MappingError, "column 'amount' stands 2 times in the file's header"),
        (b"\xff\xfei\0d\0,\0", InputFileError, "begins with the mark of UTF-16 and the mapping reads it as utf-8"),
        (b'"id,time\n' + FIRST * 9, MappingError, "not shown because the first line looks like data"),
        (b"id,ann 4111111111111111\n", MappingError, "not shown because the first line looks like data"),
    ],
)
def test_a_file_that_is_no_table_is_refused_whole(
    tmp_path: Path, content: bytes, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error) as caught:
        run(tmp_path, content)
    assert problem in str(caught.value)
    assert "ann" not in str(caught.value).replace(str(tmp_path), "")
    assert visible(tmp_path) == []


@pytest.mark.parametrize("content", [HEADER, HEADER.rstrip(), b"\xef\xbb\xbf" + HEADER])
def test_a_header_alone_is_a_file_without_rows(tmp_path: Path, content: bytes) -> None:
    done = run(tmp_path, content)
    assert (done.rows_in, done.rows_out, done.rejected) == (0, 0, {})
