"""Personal data planted in every input format: good files, bad rows and refused files tell and keep nothing of it."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from backports import zstd
from planted_people import MAPPING, card, everything, found_in, name, payments, spoiled, with_cards

from counterfoil.cli import main
from counterfoil.processing import collector
from counterfoil.processing.job import main as run_container
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

pytestmark = pytest.mark.xdist_group("personal_data_formats")

GOOD_ROWS = 60
TRANSFERS = (Path(__file__).parents[2] / "src/counterfoil/mappings/iso20022-pacs008.toml").read_text()


def rows() -> pa.Table:
    good = payments().slice(0, GOOD_ROWS)
    return pa.concat_tables([good, pa.Table.from_pylist([*spoiled(good), *with_cards(good)], schema=good.schema)])


def as_csv(delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.BytesIO()
    pacsv.write_csv(rows(), text, pacsv.WriteOptions(delimiter=delimiter))
    ragged = f'{name(3)}{delimiter}{everything(3)}\n"{name(4)}"\n'
    return text.getvalue().decode().encode(encoding) + ragged.encode(encoding) + b"\xe9\xff\0 Zephyrine Quill5\n"


def as_json_lines() -> bytes:
    lines = [json.dumps(row) for row in rows().to_pylist()]
    lines += [f'{{"payment_id": "{name(3)}", "paid_at": ["{everything(3)}"], "amount": {{"a": "{name(3)}"}}}}']
    lines += [f'["{everything(4)}"]', f'{{"{name(4)}": "{everything(4)}", "{name(4)}": 1}}', f"{everything(5)}", "{"]
    return "\n".join(lines).encode() + b'\n{"payment_id": "\xff Zephyrine Quill6"}\n'


def as_parquet() -> bytes:
    table, sink = rows(), io.BytesIO()
    pq.write_table(table, sink, row_group_size=40)
    return sink.getvalue()


def as_zip() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("payments/one.csv", as_csv())
    return memory.getvalue()


def as_transfers() -> bytes:
    """Each row as a credit transfer; a currency that is none stands in the attribute, remarks in the remittance."""
    body = "".join(
        f"<CdtTrfTxInf><PmtId><UETR>{escape(row['payment_id'])}</UETR></PmtId>"
        f"<IntrBkSttlmAmt Ccy={quoteattr(row['currency'])}>{escape(row['amount'])}</IntrBkSttlmAmt>"
        f"<AccptncDtTm>{escape(row['paid_at'])}</AccptncDtTm><Dbtr><Nm>{escape(row['holder'])}</Nm></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>{escape(row['account'])}</Id></Othr></Id></DbtrAcct>"
        f"<CdtrAcct><Id><Othr><Id>{escape(row['email'])}</Id></Othr></Id></CdtrAcct>"
        f"<Purp><Prtry>{escape(row['merchant_category'])}</Prtry></Purp>"
        f"<RmtInf><Ustrd>{escape(row['holder'])}</Ustrd></RmtInf></CdtTrfTxInf>"
        for row in rows().to_pylist()
    )
    header = f"<GrpHdr><MsgId>{escape(everything(7))}</MsgId></GrpHdr>"
    return f"<Document><FIToFICstmrCdtTrf>{header}{body}</FIToFICstmrCdtTrf></Document>".encode()


@dataclass(frozen=True)
class Format:
    """How the rows are written, the mapping that reads them, and files that are refused whole, or lose rows only."""

    make: Callable[[], bytes]
    file: str = 'format = "csv"'
    spoil: Callable[[bytes], bytes] = lambda content: content[: len(content) * 2 // 3]
    is_refused: bool = True

    @property
    def mapping(self) -> str:
        return TRANSFERS if "iso20022" in self.file else f"[file]\n{self.file}\n{MAPPING}"


def headless(content: bytes) -> bytes:
    """Without its header, the first row takes its place."""
    return content.partition(b"\n")[2]


def unclosed(content: bytes) -> bytes:
    return content + f'"{everything(8)},\n{everything(9)}\n'.encode()


def packed_and_cut(content: bytes) -> bytes:
    """Lines that are no objects cost themselves only: it is the packing that is refused."""
    return gzip.compress(content, mtime=0)[:-30]


def member_of_a_card(content: bytes) -> bytes:
    """A card's number in the name of a member. (Names of files are told, so people may not be in them.)"""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(f"../{card(1)}.csv", content)
    return memory.getvalue()


def with_entity(content: bytes) -> bytes:
    return f'<!DOCTYPE x [<!ENTITY who "{everything(1).replace("<", "(").replace(">", ")")}">]>'.encode() + content


FORMATS: Mapping[str, Format] = {
    "csv": Format(as_csv, spoil=headless),
    "csv-unclosed": Format(as_csv, spoil=unclosed, is_refused=False),  # it costs its own row only
    "tsv": Format(lambda: as_csv("\t"), 'format = "csv"\ndelimiter = "\\t"', spoil=headless),
    "latin-1": Format(lambda: as_csv(encoding="latin-1"), 'format = "csv"\nencoding = "latin-1"', spoil=headless),
    "gzip": Format(lambda: gzip.compress(as_csv(), mtime=0)),
    "bzip2": Format(lambda: bz2.compress(as_csv())),
    "xz": Format(lambda: lzma.compress(as_csv())),
    "zstd": Format(lambda: zstd.compress(as_csv())),
    "zip": Format(as_zip),
    "zip-member": Format(as_zip, spoil=member_of_a_card),
    "jsonl": Format(as_json_lines, 'format = "jsonl"', spoil=packed_and_cut),
    "parquet": Format(as_parquet, 'format = "parquet"'),
    "iso20022": Format(as_transfers, 'format = "iso20022"'),
    "iso20022-entity": Format(as_transfers, 'format = "iso20022"', spoil=with_entity),
}


@dataclass
class Files:
    """The good file, the refused one and the mapping of a format, in a folder beside a workspace."""

    name: str
    folder: Path

    @property
    def good(self) -> Path:
        return self.folder / "good"

    @property
    def refused(self) -> Path:
        return self.folder / "refused"

    @property
    def mapping(self) -> Path:
        return self.folder / "people.toml"


@pytest.fixture(params=FORMATS)
def files(request: pytest.FixtureRequest, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    made, form = Files(request.param, tmp_path), FORMATS[request.param]
    content = form.make()
    made.good.write_bytes(content)
    made.refused.write_bytes(form.spoil(content))
    made.mapping.write_text(form.mapping)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "work"))
    return made


def test_commands_say_and_keep_nothing(
    files: Files, dsn: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said: list[str] = []

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, arguments)))
        shown = capfd.readouterr()
        said.append(f"{shown.out}\n{shown.err}\n{caplog.text}")
        assert "Traceback" not in said[-1]
        return int(stop.value.code or 0)

    mapping = ("-m", files.mapping)
    run("mapping", "check", files.mapping, files.good)
    assert run("collect", files.good, *mapping) == 0
    assert run("collect", files.refused, *mapping) == int(FORMATS[files.name].is_refused)
    run("mapping", "check", files.mapping, files.refused)
    assert run("curate") == run("status") == 0
    assert run("recollect", files.good, *mapping) == 0
    assert found_in("\n".join(said)) == []
    assert_kept_nowhere(files, dsn)


def assert_kept_nowhere(files: Files, dsn: str) -> None:
    """Search tables, their files' bytes and the database; addresses may be in two tables."""
    tables = Workspace(Settings(workspace=files.folder / "work")).tables
    found: dict[str, list[dict[str, Any]]] = {
        table: [row for path in tables.files(table) for row in pq.ParquetFile(path).read().to_pylist()]
        for table in tables.tables()
    }
    assert len(found["transactions"]) > GOOD_ROWS
    assert len(found["rejected"]) > 10
    for table, kept in found.items():
        allowed = ("addresses",) if table in ("addresses", "source_ips") else ()
        assert found_in(str(kept), allowed) == [], table
        for path in tables.files(table):
            assert found_in(path.read_bytes().decode("latin-1"), allowed) == [], path
    with psycopg.connect(dsn) as connection:
        entries = connection.execute("SELECT t::text FROM input_file t").fetchall()
    assert len(entries) == 2
    assert found_in(str(entries)) == []


@pytest.mark.parametrize("which", ["good", "refused"])
def test_a_container_says_and_keeps_nothing(
    files: Files, which: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "ml" / "processing" / "input" / "raw"
    raw.mkdir(parents=True)
    shutil.copyfile(files.folder / which, raw / which)
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(tmp_path / "ml"))
    code = run_container(collector.app, ["collect", "--mapping", str(files.mapping), "--input-version", "v1"])
    shown = capfd.readouterr()
    assert code == int(which == "refused" and FORMATS[files.name].is_refused)
    assert shown.out + shown.err
    assert found_in(shown.out + shown.err) == []
    written = [path for path in (tmp_path / "ml").rglob("*") if path.is_file() and raw not in path.parents]
    for path in written:
        if "addresses" not in path.parts:
            assert found_in(path.read_bytes().decode("latin-1")) == [], path
    assert written
