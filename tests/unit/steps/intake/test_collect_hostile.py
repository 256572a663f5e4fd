"""The same bad values in every input format: each costs its own row, by the same reason, and its neighbours arrive."""

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.errors import InputFileError
from counterfoil.steps.intake.collect import CollectedFile, collect

Row = Mapping[str, str]
FIELDS = (
    '[fields]\ntransaction_id = "id"\nevent_time = "time"\namount = "amount"\naccount = "who"\nmerchant = "shop"\n'
    'category = "kind"\n'
)
GOOD = {
    "id": "first",
    "time": "2024-01-01T10:00:00Z",
    "amount": "10.00",
    "who": "ann",
    "shop": "Bakery",
    "kind": "food",
}
LAST = {**GOOD, "id": "last", "time": "2024-01-01T12:00:00Z"}


def as_csv(rows: Sequence[Row]) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False).encode()


def as_json_lines(rows: Sequence[Row]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def as_parquet(rows: Sequence[Row]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


def as_transfers(rows: Sequence[Row]) -> bytes:
    transfers = "".join(
        f"<CdtTrfTxInf><PmtId><UETR>{escape(row['id'])}</UETR></PmtId>"
        f'<IntrBkSttlmAmt Ccy="EUR">{escape(row["amount"])}</IntrBkSttlmAmt>'
        f"<AccptncDtTm>{escape(row['time'])}</AccptncDtTm>"
        f"<DbtrAcct><Id><Othr><Id>{escape(row['who'])}</Id></Othr></Id></DbtrAcct>"
        f"<Purp><Prtry>{escape(row['kind'])}</Prtry></Purp></CdtTrfTxInf>"
        for row in rows
    )
    return f"<Document><FIToFICstmrCdtTrf>{transfers}</FIToFICstmrCdtTrf></Document>".encode()


def flat(file: str) -> SourceMapping:
    return parse_mapping(f"[file]\n{file}\n{FIELDS}", "shop")


FORMATS: Mapping[str, tuple[Callable[[Sequence[Row]], bytes], SourceMapping]] = {
    "csv": (as_csv, flat('format = "csv"')),
    "tsv": (lambda rows: pd.DataFrame(rows).to_csv(index=False, sep="\t").encode(), flat('delimiter = "\\t"')),
    "gzip": (lambda rows: gzip.compress(as_csv(rows)), flat('format = "csv"')),
    "jsonl": (as_json_lines, flat('format = "jsonl"')),
    "parquet": (as_parquet, flat('format = "parquet"')),
    "iso20022": (as_transfers, load_mapping("iso20022-pacs008")),
}
each_format = pytest.mark.parametrize("form", FORMATS)


class Shop:
    """A lake with a ledger, into which files are collected."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = FolderTables(folder / "lake")
        self.ledger = MemoryLedger()

    def collect(self, form: str, content: bytes, name: str = "in") -> CollectedFile:
        path = self.folder / name
        path.write_bytes(content)
        return self.collect_at(path, FORMATS[form][1])

    def collect_at(self, path: Path, mapping: SourceMapping) -> CollectedFile:
        (done,) = collect(
            [path], mapping, key=bytes(16), reader=InputFiles(), tables=self.tables, ledger=self.ledger
        )  # fmt: skip
        return done

    def rows(self, table: str = "transactions") -> list[dict[str, Any]]:
        return [row for file in self.tables.files(table) for row in pq.ParquetFile(file).read().to_pylist()]

    def kept(self, column: str) -> dict[str, Any]:
        return {row["transaction_id"]: row[column] for row in self.rows()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.slow
@each_format
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time": "2024-02-30T00:00:00Z"}, "time_unreadable"),
        ({"time": "1970-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"time": "2999-12-31T23:59:59Z"}, "time_out_of_range"),
        ({"amount": "-10.00"}, "amount_negative"),
        ({"amount": "NaN"}, "amount_unreadable"),
        ({"amount": "1e308"}, "amount_too_large"),
        ({"amount": "1.234,56"}, "amount_unreadable"),
        ({"amount": "=1+1"}, "amount_unreadable"),
        ({"id": "first"}, "duplicate_id"),
        ({"id": ""}, "id_missing"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else None,
)
def test_a_bad_value_costs_its_own_row(shop: Shop, form: str, changed: Row, reason: str) -> None:
    make, _ = FORMATS[form]
    done = shop.collect(form, make([GOOD, {**GOOD, "id": "bad", **changed}, LAST]))
    assert (done.rows_in, done.rows_out, done.rejected) == (3, 2, {reason: 1})
    assert set(shop.kept("amount")) == {"first", "last"}
    (refused,) = shop.rows("rejected")
    first = 3 if form in ("csv", "tsv", "gzip") else 2
    assert (refused["source_line"], refused["reason"]) == (first, reason)


@each_format
def test_an_id_that_another_file_had_costs_its_row(shop: Shop, form: str) -> None:
    make, _ = FORMATS[form]
    shop.collect(form, make([GOOD]), "one")
    done = shop.collect(form, make([GOOD, LAST]), "two")
    assert (done.rows_in, done.rows_out, done.rejected) == (2, 1, {"duplicate_id": 1})


@each_format
@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1:A9)", "+1-1", "-2+3", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")']
)
def test_what_a_spreadsheet_takes_for_a_formula_is_kept_as_the_text_that_it_is(
    shop: Shop, form: str, cell: str
) -> None:
    make, _ = FORMATS[form]
    done = shop.collect(form, make([{**GOOD, "kind": cell, "id": cell}]))
    assert done.rejected == {}
    assert shop.kept("category") == {cell: cell}


@each_format
def test_a_full_card_number_is_cut_down_in_every_column_of_text(shop: Shop, form: str) -> None:
    make, _ = FORMATS[form]
    card = "4111 1111 1111 1111"
    rows = [{**GOOD, "id": f"of {card}", "who": card, "shop": f"Shop {card}", "kind": card.replace(" ", "-")}]
    assert shop.collect(form, make(rows)).rejected == {}
    for table in ("transactions", "rejected"):
        for file in shop.tables.files(table):
            content = file.read_bytes()
            assert [text for text in (card, card.replace(" ", "-"), "4" + "1" * 15) if text.encode() in content] == []
    assert list(shop.kept("category").values()) == ["411111******1111"]


@pytest.mark.parametrize("form", ["csv", "tsv", "gzip", "jsonl", "parquet"])
def test_a_nul_costs_its_row(shop: Shop, form: str) -> None:
    make, _ = FORMATS[form]
    done = shop.collect(form, make([GOOD, {**GOOD, "id": "bad", "shop": "Sh\0op"}, LAST]))
    assert (done.rows_out, done.rejected) == (2, {"text_unreadable": 1})


def test_a_nul_makes_a_message_no_xml(shop: Shop) -> None:
    with pytest.raises(InputFileError, match="is no XML, cut off or damaged"):
        shop.collect("iso20022", as_transfers([GOOD]).replace(b"food", b"fo\0od"))
    assert shop.rows() == []


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "iso20022"])
def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(shop: Shop, form: str) -> None:
    make, _ = FORMATS[form]
    content = make([GOOD, LAST]).replace(b"\r\n", b"\n").replace(b"><Cdt", b">\n<Cdt").replace(b"\n", b"\r\n")
    assert b"\r\n" in content
    done = shop.collect(form, b"\xef\xbb\xbf" + content)
    assert (done.rows_in, done.rows_out, done.rejected) == (2, 2, {})
    assert set(shop.kept("category").values()) == {"food"}


@pytest.mark.parametrize(
    ("amounts", "reasons"),
    [
        (pa.array([1.0, float("nan"), 2.0]), {"amount_unreadable": 1}),
        (pa.array([1.0, float("inf"), 2.0]), {"amount_unreadable": 1}),
        (pa.array([1.0, 1e308, 2.0]), {"amount_too_large": 1}),
        (pa.array([1.0, -0.01, 2.0]), {"amount_negative": 1}),
        (pa.array([1, 2**63 - 1, 2], pa.int64()), {"amount_too_large": 1}),
    ],
)
def test_bad_amounts_of_native_types_cost_their_rows(shop: Shop, amounts: pa.Array, reasons: Mapping[str, int]) -> None:
    table = pa.Table.from_pylist([GOOD, {**GOOD, "id": "bad"}, LAST])
    place, sink = table.schema.get_field_index("amount"), io.BytesIO()
    pq.write_table(table.set_column(place, "amount", amounts), sink)
    done = shop.collect("parquet", sink.getvalue())
    assert (done.rows_out, done.rejected) == (2, reasons)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e308", "-1", "1e999"])
def test_bad_numbers_of_json_cost_their_lines(shop: Shop, number: str) -> None:
    content = as_json_lines([GOOD, {**GOOD, "id": "bad"}, LAST])
    first, bad, last = content.decode().split("\n")
    done = shop.collect("jsonl", "\n".join([first, bad.replace('"10.00"', number), last]).encode())
    assert done.rows_out == 2
    assert set(done.rejected) <= {"amount_unreadable", "amount_too_large", "amount_negative"}
    assert sum(done.rejected.values()) == 1


@pytest.mark.parametrize("form", ["csv", "gzip", "parquet", "iso20022"])
def test_an_empty_file_is_refused(shop: Shop, form: str) -> None:
    with pytest.raises(InputFileError):
        shop.collect(form, gzip.compress(b"") if form == "gzip" else b"")
    assert shop.rows() == []


def test_parquet_without_rows_is_a_file_without_rows(shop: Shop) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([GOOD]).slice(0, 0), sink)
    done = shop.collect("parquet", sink.getvalue())
    assert (done.rows_in, done.rows_out, done.rejected) == (0, 0, {})


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(as_csv([GOOD]), mtime=0)[:-4] + b"\x01\0\0\0",
        gzip.compress(as_csv([GOOD]), mtime=0)[:-4] + b"\xff\xff\xff\xff",
        zstd.compress(as_csv([GOOD])).replace(b"\x28\xb5\x2f\xfd\x20", b"\x28\xb5\x2f\xfd\x20\x01", 1),
    ],
    ids=["gzip less", "gzip more", "zstd"],
)
def test_a_stream_that_lies_about_its_size_is_refused(shop: Shop, content: bytes) -> None:
    with pytest.raises(InputFileError, match="is cut off or damaged"):
        shop.collect("csv", content)
    assert shop.rows() == []


def test_a_path_with_dots_is_the_file_that_it_leads_to(shop: Shop) -> None:
    (shop.folder / "folder").mkdir()
    shop.collect("csv", as_csv([GOOD]), "in.csv")
    again = shop.collect_at(shop.folder / "folder" / ".." / "in.csv", FORMATS["csv"][1])
    assert again.skipped
    assert len(shop.rows()) == 1


@pytest.mark.parametrize("name", ["..csv", "a..b.csv", "...", "-rf", "=1+1.csv", "%s%n.csv", "a b\t.csv"])
def test_odd_file_names_are_names(shop: Shop, name: str) -> None:
    done = shop.collect("csv", as_csv([GOOD]), name)
    assert done.rows_out == 1
    assert shop.rows()[0]["source"] == done.source == name.replace("\t", "\\t")
    assert {path.name for path in shop.folder.iterdir()} == {name, "lake"}
