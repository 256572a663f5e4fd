"""Good files of every input format, and what must hold of whatever is made of them."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import standard_files
from backports import zstd
from record_counts import (
    csv_records,
    json_array,
    json_lines,
    json_objects,
    json_wrapper,
    parquet_rows,
    stream_records,
    transfers,
    zip_records,
)
from spoilt_csv import spoil_csv
from spoilt_jsonl import spoil_jsonl
from spoilt_lines import spoil_lines
from spoilt_parquet import spoil_parquet
from spoilt_streams import spoil_stream
from spoilt_xml import spoil_xml
from spoilt_zip import spoil_zip
from standard_counts import camt_bookings, mt103_messages, mt940_entries, nacha_entries, report_entries

from counterfoil.adapters.files import json_blocks, jsonl_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.unpacking import StreamLimits
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.domain.privacy.card_numbers import without_card_number
from counterfoil.errors import InputFileError, MappingError

KEY = bytes(16)
READER = InputFiles(StreamLimits(most_bytes=32 << 20))

FIELDS = """
[time]
format = "{time}"
[fields]
transaction_id = "id"
event_time = "time"
amount = "amount"
currency = "currency"
account = "who"
merchant = "shop"
source_ip = "ip"
card_number = "card"
label = "fraud"
[labels]
fraud = ["1"]
good = ["0"]
unknown = [""]
[evidence.numeric]
basket = "items"
[evidence.textual]
note = "note"
"""
NAMES = ("id", "time", "amount", "currency", "who", "shop", "ip", "card", "fraud", "items", "note")
ROWS = [
    ("a1", "2024-01-01T10:00:00Z", "10.00", "EUR", "ann", "Bakery", "192.0.2.1", "4111111111111111", "0", "3", "rolls"),
    ("a2", "2024-01-01 11:00:00", "0.5", "eur", "bob", "Café", "2001:db8::1", "", "1", "", 'two\n"lines", one cell'),
    ("a3", "2024-02-29T12:00:00+02:00", "1e3", "EUR", "", "", "", "5555 5555 5555 4444", "", "-1.5e3", ""),
    ("a3", "never", "-1", "??", "cyd", "Shop 4111111111111111", "x", "12", "?", "NaN", "=1+1"),
]


@dataclass(frozen=True)
class InputFormat:
    """A format: its mapping, a good file, and bits of text that mean something in it.

    `spoil` changes a file where it has structure. `count` says how many records a file has, with nothing of what is
    fuzzed, or None where it cannot tell.
    """

    name: str
    mapping_text: str
    make: Callable[[], bytes]
    tokens: tuple[bytes, ...]
    spoil: Callable[[bytes, Random], bytes]
    count: Callable[[bytes], int | None]

    @cached_property
    def mapping(self) -> SourceMapping:
        """The mapping that reads the good file."""
        return parse_mapping(self.mapping_text, self.name)

    @cached_property
    def good(self) -> bytes:
        """The bytes of the good file."""
        return self.make()


@dataclass(frozen=True)
class Accounted:
    """The records of a file that was read, and whether another count of them was at hand, which then agreed."""

    records: int
    counted_twice: bool


def require_accounted_for(content: bytes, form: InputFormat, path: Path) -> Accounted | None:
    """Read and clean `content`, written to `path`; return what was accounted for, or None if the file is refused.

    Raises AssertionError if a record is lost or made up, and whatever the reader raises that it must not.
    """
    path.write_bytes(content)
    refused: InputFileError | MappingError | None = None
    records, lines = 0, []
    try:
        for batch in _batches(path, form.mapping):
            lines += _lines_of(batch, form.mapping)
            records += batch.records
    except (InputFileError, MappingError) as error:
        refused = error
    if refused is not None:
        assert path.name in str(refused) or isinstance(refused, MappingError)
        assert without_card_number(str(refused)) == str(refused)
        return None
    assert len(set(lines)) == len(lines) == records
    counted = form.count(content)
    assert counted in (None, records), f"{records} records were read of {counted}"
    return Accounted(records, counted is not None)


def _batches(path: Path, mapping: SourceMapping) -> list[RawBatch]:
    """Read a file as large ones are read, though it is small."""
    with patch.object(jsonl_files, "FEWEST_LINES", 1), patch.object(json_blocks, "FEWEST_ROWS", 1):
        return list(READER.batches(path, mapping))


def _lines_of(batch: RawBatch, mapping: SourceMapping) -> list[tuple[str, int]]:
    """Clean a batch; return where each of its records stood."""
    cleaned = clean(batch.table, mapping, key=KEY, source=batch.source, first_line=batch.lines, content_hash="c")
    cleaned.transactions.validate(full=True)
    tables = (cleaned.transactions, cleaned.rejected, batch.rejected)
    return [
        place
        for table in tables
        for place in zip(table["source"].to_pylist(), table["source_line"].to_pylist(), strict=True)
    ]


def _csv(delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([NAMES, *ROWS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))), sink, row_group_size=3)
    return sink.getvalue()


def _zip() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("one.csv"), _csv(), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("two/three.csv"), _csv())
    return memory.getvalue()


def _json_lines() -> bytes:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=False) for row in ROWS]
    lines[1] = lines[1].replace('"0.5"', "0.5000").replace('"shop": "Café"', '"shop": "Caf\\u00e9", "more": {"a": [1]}')
    return "\n".join([*lines, "", lines[0]]).encode()


def _json_array() -> bytes:
    return b"[\n" + b",\n".join(line for line in _json_lines().split(b"\n") if line) + b"\n]\n"


def _json_wrapper() -> bytes:
    return b'{"Records": [\n' + b",\n".join(line for line in _json_lines().split(b"\n") if line) + b'\n], "n": {}}\n'


def _json_objects() -> bytes:
    return b"".join(_json_lines().split(b"\n"))


def _iso20022() -> bytes:
    transfer = (
        '<p:CdtTrfTxInf a="b"><p:PmtId><p:UETR>u{0}</p:UETR></p:PmtId>'
        '<p:IntrBkSttlmAmt Ccy="EUR">{0}.10</p:IntrBkSttlmAmt><!-- note --><p:DbtrAcct><p:Id><p:IBAN>FI{0}</p:IBAN>'
        "</p:Id></p:DbtrAcct><p:CdtrAcct><p:Id><p:Othr><p:Id>X{0}</p:Id></p:Othr></p:Id></p:CdtrAcct><p:Purp><p:Cd>"
        "<![CDATA[GDDS]]></p:Cd></p:Purp></p:CdtTrfTxInf>"
    )
    header = "<p:GrpHdr><p:MsgId>M</p:MsgId><p:CreDtTm>2024-01-01T10:00:00Z</p:CreDtTm></p:GrpHdr>"
    body = "".join(transfer.format(number) for number in range(4))
    document = f"<p:Document><p:FIToFICstmrCdtTrf>{header}{body}</p:FIToFICstmrCdtTrf></p:Document>"
    return f'<?xml version="1.0" encoding="utf-8"?>{document}{document}'.encode()


def _flat(file: str, time: str = "iso8601") -> str:
    return f"[file]\n{file}\n{FIELDS.format(time=time)}"


def _of_kind(message: str, record: str, *changes: tuple[str, str]) -> bytes:
    text = _iso20022().decode()
    for old, new in (("FIToFICstmrCdtTrf", message), *changes, ("CdtTrfTxInf", record)):
        text = text.replace(old, new)
    return text.encode()


def _shipped(name: str) -> str:
    return (Path(__file__).parents[2] / f"src/counterfoil/mappings/{name}.toml").read_text()


_ISO20022 = _shipped("iso20022-pacs008")
_CSV_TOKENS = (b",", b'"', b"\n", b"\r\n", b"\0", b"\xff", b";", b"\t", b"1e308", b"-", b"4111111111111111", b"2999-")
_JSON_TOKENS = (b"{", b"}", b"[", b'"', b"\\ud800", b"\\", b"NaN", b"1e999", b":", b",", b"\n", b"\xff", b"\0", b"null")
_XML_TOKENS = (
    b"<", b">", b"</p:CdtTrfTxInf>", b"<p:CdtTrfTxInf>", b"&lt;", b"&#0;", b"&x;", b"<!DOCTYPE x>", b"<?xml?>",
    b"<!--", b"-->", b"]]>", b"\xff\xfe", b"</p:Document>", b'Ccy=""', b"\n<p:Document>",
)  # fmt: skip
_CSV = _flat('format = "csv"')

_FORMATS_OF_STREAMS = (
    ("gzip", lambda: gzip.compress(_csv(), mtime=0), (b"\x1f\x8b\x08", b"\0")),
    ("bzip2", lambda: bz2.compress(_csv()), (b"BZh9", b"1AY&SY", b"\x17rE8P\x90")),
    ("xz", lambda: lzma.compress(_csv()), (b"\xfd7zXZ\0", b"YZ", b"\0\0\0\0")),
    ("zstd", lambda: zstd.compress(_csv()), (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\0")),
)


def _stream(packing: str, make: Callable[[], bytes], tokens: tuple[bytes, ...]) -> InputFormat:
    def spoil(_: bytes, rng: Random) -> bytes:
        return spoil_stream(packing, spoil_csv(_csv(), rng), rng)

    return InputFormat(packing, _CSV, make, tokens, spoil, stream_records)


def _delimited(name: str, style: str, tokens: tuple[bytes, ...], delimiter: str = ",") -> InputFormat:
    encoding = "latin-1" if "latin-1" in style else "utf-8-sig"
    mark = 0 if encoding == "utf-8-sig" else 3
    return InputFormat(
        name,
        _flat(f'format = "csv"\n{style}'),
        lambda: _csv(delimiter)[mark:],
        tokens,
        lambda content, rng: spoil_csv(content, rng, delimiter),
        lambda content: csv_records(content, delimiter, encoding),
    )


def _kind(name: str, message: str, record: str, *changes: tuple[str, str]) -> InputFormat:
    return InputFormat(
        name,
        _shipped(f"iso20022-{name.replace('.', '')}"),
        lambda: _of_kind(message, record, *changes),
        _XML_TOKENS,
        spoil_xml,
        lambda content: transfers(content, record, (message,)),
    )


_LINE_TOKENS = (
    b":61:",
    b":86:",
    b":20:",
    b":32A:",
    b"\n",
    b"\r\n",
    b"{1:",
    b"{4:",
    b"-}",
    b"\xff",
    b"\0",
    b",",
    b"6",
    b"9",
)

FORMATS = (
    _delimited("csv", "", _CSV_TOKENS),
    _delimited("tsv", 'delimiter = "\\t"', _CSV_TOKENS, "\t"),
    _delimited("latin-1", 'encoding = "latin-1"', _CSV_TOKENS),
    *(_stream(*packing) for packing in _FORMATS_OF_STREAMS),
    InputFormat(
        "zip", _CSV, _zip, (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08", b"../", b"\n", b"\0"),
        lambda _, rng: spoil_zip(lambda: spoil_csv(_csv(), rng) if rng.random() < 0.3 else _csv(), rng), zip_records,
    ),
    InputFormat(
        "parquet", _flat('format = "parquet"'), _parquet, (b"PAR1", b"\0", b"\xff\xff\xff\xff", b"\x15"),
        lambda _, rng: spoil_parquet(NAMES, ROWS, rng), parquet_rows,
    ),
    InputFormat("jsonl", _flat('format = "jsonl"'), _json_lines, _JSON_TOKENS, spoil_jsonl, json_lines),
    InputFormat("json-array", _flat('format = "jsonl"'), _json_array, _JSON_TOKENS, spoil_jsonl, json_array),
    InputFormat("json-objects", _flat('format = "jsonl"'), _json_objects, _JSON_TOKENS, spoil_jsonl, json_objects),
    InputFormat(
        "json-wrapper", _flat('format = "jsonl"'), _json_wrapper, _JSON_TOKENS, spoil_jsonl, json_wrapper
    ),
    InputFormat("iso20022", _ISO20022, _iso20022, _XML_TOKENS, spoil_xml, transfers),
    _kind("pacs.009", "FICdtTrf", "CdtTrfTxInf"),
    _kind("pain.008", "CstmrDrctDbtInitn", "DrctDbtTxInf", ("IntrBkSttlmAmt", "InstdAmt")),
    # Where a message of returns has none, the message is counted itself.
    replace(
        _kind("pacs.004", "PmtRtr", "TxInf", ("IntrBkSttlmAmt", "RtrdIntrBkSttlmAmt"), ("UETR", "RtrId")),
        count=lambda content: transfers(content, "TxInf", ("PmtRtr",), ("PmtRtr",)),
    ),
    InputFormat(
        "camt.053", _shipped("iso20022-camt053"), standard_files.camt, _XML_TOKENS, spoil_xml, camt_bookings
    ),
    InputFormat(
        "camt.052", _shipped("iso20022-camt052"), standard_files.camt_report, _XML_TOKENS, spoil_xml, report_entries
    ),
    InputFormat("mt942", _shipped("mt942"), standard_files.mt942, _LINE_TOKENS, spoil_lines, mt940_entries),
    InputFormat("mt940", _shipped("mt940"), standard_files.mt940, _LINE_TOKENS, spoil_lines, mt940_entries),
    InputFormat("mt103", _shipped("mt103"), standard_files.mt103, _LINE_TOKENS, spoil_lines, mt103_messages),
    InputFormat("nacha", _shipped("nacha"), standard_files.nacha, _LINE_TOKENS, spoil_lines, nacha_entries),
    InputFormat("iso8583", _shipped("iso8583-json"), standard_files.iso8583, _JSON_TOKENS, spoil_jsonl, json_lines),
)  # fmt: skip
