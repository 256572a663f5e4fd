"""Good files of every input format, and what must hold of whatever is made of them."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from counterfoil.adapters.input_files import InputFiles
from counterfoil.adapters.unpacking import StreamLimits
from counterfoil.domain.card_numbers import without_card_number
from counterfoil.domain.cleaning import clean
from counterfoil.domain.mapping import SourceMapping, parse_mapping
from counterfoil.domain.raw import RawBatch
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
    """A format: its mapping, a good file, and bits of text that mean something in it."""

    name: str
    mapping_text: str
    make: Callable[[], bytes]
    tokens: tuple[bytes, ...]

    @cached_property
    def mapping(self) -> SourceMapping:
        """The mapping that reads the good file."""
        return parse_mapping(self.mapping_text, self.name)

    @cached_property
    def good(self) -> bytes:
        """The bytes of the good file."""
        return self.make()


def require_accounted_for(content: bytes, form: InputFormat, path: Path) -> int | None:
    """Read and clean `content`, written to `path`; return the number of its records, or None if it is refused.

    Raises AssertionError if a record is lost or made up, and whatever the reader raises that it must not.
    """
    path.write_bytes(content)
    refused: InputFileError | MappingError | None = None
    records, lines = 0, []
    try:
        for batch in READER.batches(path, form.mapping):
            lines += _lines_of(batch, form.mapping)
            records += batch.records
    except (InputFileError, MappingError) as error:
        refused = error
    if refused is not None:
        assert path.name in str(refused) or isinstance(refused, MappingError)
        assert without_card_number(str(refused)) == str(refused)
        return None
    assert len(set(lines)) == len(lines) == records
    return records


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


_ISO20022 = (Path(__file__).parents[2] / "src/counterfoil/mappings/iso20022-pacs008.toml").read_text()
_CSV_TOKENS = (b",", b'"', b"\n", b"\r\n", b"\0", b"\xff", b";", b"\t", b"1e308", b"-", b"4111111111111111", b"2999-")
_JSON_TOKENS = (b"{", b"}", b"[", b'"', b"\\ud800", b"\\", b"NaN", b"1e999", b":", b",", b"\n", b"\xff", b"\0", b"null")
_XML_TOKENS = (
    b"<", b">", b"</p:CdtTrfTxInf>", b"<p:CdtTrfTxInf>", b"&lt;", b"&#0;", b"&x;", b"<!DOCTYPE x>", b"<?xml?>",
    b"<!--", b"-->", b"]]>", b"\xff\xfe", b"</p:Document>", b'Ccy=""', b"\n<p:Document>",
)  # fmt: skip
_CSV = _flat('format = "csv"')

FORMATS = (
    InputFormat("csv", _CSV, _csv, _CSV_TOKENS),
    InputFormat("tsv", _flat('format = "csv"\ndelimiter = "\\t"'), lambda: _csv("\t"), _CSV_TOKENS),
    InputFormat("latin-1", _flat('format = "csv"\nencoding = "latin-1"'), lambda: _csv()[3:], _CSV_TOKENS),
    InputFormat("gzip", _CSV, lambda: gzip.compress(_csv(), mtime=0), (b"\x1f\x8b\x08", b"\0")),
    InputFormat("bzip2", _CSV, lambda: bz2.compress(_csv()), (b"BZh9", b"1AY&SY", b"\x17rE8P\x90")),
    InputFormat("xz", _CSV, lambda: lzma.compress(_csv()), (b"\xfd7zXZ\0", b"YZ", b"\0\0\0\0")),
    InputFormat("zstd", _CSV, lambda: zstd.compress(_csv()), (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\0")),
    InputFormat("zip", _CSV, _zip, (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08", b"../", b"\n", b"\0")),
    InputFormat("parquet", _flat('format = "parquet"'), _parquet, (b"PAR1", b"\0", b"\xff\xff\xff\xff", b"\x15")),
    InputFormat("jsonl", _flat('format = "jsonl"'), _json_lines, _JSON_TOKENS),
    InputFormat("iso20022", _ISO20022, _iso20022, _XML_TOKENS),
)
