"""The contract of InputReader, on every format that a mapping may name: the same payments, the same rows."""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.schemas import REJECTED
from counterfoil.errors import InputFileError
from counterfoil.ports.lake import InputReader

PAYMENTS = [(f"p-{number}", f"2024-01-01T10:00:{number:02}Z", f"{number}.50", "EUR") for number in range(1, 8)]
NAMES = ("payment_id", "accepted_or_created_at", "settlement_amount", "settlement_currency")


def as_csv(delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([NAMES, *PAYMENTS])
    return text.getvalue().encode()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(NAMES, zip(*PAYMENTS, strict=True), strict=True))), sink)
    return sink.getvalue()


def as_json_lines() -> bytes:
    return "".join(json.dumps(dict(zip(NAMES, payment, strict=True))) + "\n" for payment in PAYMENTS).encode()


def as_iso20022() -> bytes:
    transfers = [
        f'<CdtTrfTxInf><PmtId><UETR>{id_}</UETR></PmtId><IntrBkSttlmAmt Ccy="{currency}">{amount}</IntrBkSttlmAmt>'
        f"<AccptncDtTm>{time}</AccptncDtTm></CdtTrfTxInf>"
        for id_, time, amount, currency in PAYMENTS
    ]
    return f"<Document><FIToFICstmrCdtTrf>{''.join(transfers)}</FIToFICstmrCdtTrf></Document>".encode()


def in_zip(content: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("payments", content)
    return memory.getvalue()


@dataclass(frozen=True)
class Case:
    """A format, a file of it with PAYMENTS, and a file that is damaged or no such file."""

    name: str
    file: str
    content: Callable[[], bytes]
    first_line: int
    damaged: Callable[[], bytes]


CASES = [
    Case(
        "csv",
        'format = "csv"',
        lambda: as_csv(","),
        2,
        lambda: as_csv(",").partition(b"\n")[0] + b'\n"' + b"x" * (9 << 20),
    ),
    Case("tsv", 'format = "csv"\ndelimiter = "\\t"', lambda: as_csv("\t"), 2, lambda: b""),
    Case("gzip", 'format = "csv"', lambda: gzip.compress(as_csv(",")), 2, lambda: gzip.compress(as_csv(","))[:-9]),
    Case("zip", 'format = "csv"', lambda: in_zip(as_csv(",")), 2, lambda: in_zip(as_csv(","))[:-9]),
    Case("parquet", 'format = "parquet"', as_parquet, 1, lambda: as_parquet()[:-9]),
    Case("jsonl", 'format = "jsonl"', as_json_lines, 1, lambda: gzip.compress(as_json_lines())[:-9]),
    Case("iso20022", 'format = "iso20022"', as_iso20022, 1, lambda: as_iso20022()[:-9]),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Return each format in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def reader() -> InputReader:
    """Return the reader of files of this machine."""
    return InputFiles()


def mapping_of(case: Case) -> SourceMapping:
    fields = zip(("transaction_id", "event_time", "amount", "currency"), NAMES, strict=True)
    lines = "\n".join(f'{field} = "{name}"' for field, name in fields)
    return parse_mapping(f"[file]\n{case.file}\n[fields]\n{lines}\n", "contract")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "payments.dat"
    path.write_bytes(content)
    return path


def test_the_rows_are_the_payments_in_their_order(reader: InputReader, case: Case, tmp_path: Path) -> None:
    mapping = mapping_of(case)
    found: list[dict[str, Any]] = []
    for batch in reader.batches(written(tmp_path, case.content()), mapping):
        cleaned = clean(
            batch.table, mapping, key=bytes(16), source=batch.source, first_line=batch.lines, content_hash="c"
        )
        assert cleaned.rejected.num_rows == 0
        found += cleaned.transactions.to_pylist()
    kept = [(row["transaction_id"], row["event_time"], row["amount"], row["currency"]) for row in found]
    assert kept == [
        (id_, datetime.fromisoformat(time).astimezone(UTC), Decimal(amount), currency)
        for id_, time, amount, currency in PAYMENTS
    ]
    assert [row["source_line"] for row in found] == list(range(case.first_line, case.first_line + len(PAYMENTS)))


def test_batches_have_the_mappings_columns_and_account_for_every_record(
    reader: InputReader, case: Case, tmp_path: Path
) -> None:
    mapping = mapping_of(case)
    batches = list(reader.batches(written(tmp_path, case.content()), mapping))
    assert sum(batch.records for batch in batches) == len(PAYMENTS)
    for batch in batches:
        assert batch.table.column_names == list(mapping.source_columns)
        assert len(batch.lines) == batch.table.num_rows
        assert batch.rejected.schema == REJECTED
        assert batch.source == ("payments.dat/payments" if case.name == "zip" else "payments.dat")


def test_columns_are_those_that_a_mapping_may_name(reader: InputReader, case: Case, tmp_path: Path) -> None:
    assert set(NAMES) <= set(reader.columns(written(tmp_path, case.content()), mapping_of(case)))


def test_damage_is_an_error_that_names_the_file(reader: InputReader, case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, case.damaged())
    with pytest.raises(InputFileError, match=r"payments\.dat"):
        list(reader.batches(path, mapping_of(case)))


def test_a_missing_file_is_an_error(reader: InputReader, case: Case, tmp_path: Path) -> None:
    for ask in (reader.columns, lambda path, mapping: list(reader.batches(path, mapping))):
        with pytest.raises(InputFileError, match=r"none\.dat does not exist"):
            ask(tmp_path / "none.dat", mapping_of(case))


def test_the_fingerprint_is_of_the_files_own_bytes(reader: InputReader, case: Case, tmp_path: Path) -> None:
    path = written(tmp_path, case.content())
    assert reader.fingerprint(path).content_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert reader.fingerprint(path).location == str(path.resolve())
