"""A lake has one key and one form of accounts: what would mix two is refused, with the way out."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import UsageError
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.lake.keys import ACCOUNT_FORM, FORM, KEY_ID
from counterfoil.steps.lake.publish import publish_table

MAPPING = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\n', "test")


def _collect(folder: Path, name: str, tables: FolderTables) -> None:
    path = folder / f"{name}.csv"
    path.write_text(f"id,t,who\n{name},2026-03-01,Ann\n")
    collect([path], MAPPING, key=b"0" * 32, reader=InputFiles(), tables=tables, ledger=MemoryLedger())


def _rewritten(tables: FolderTables, *, without: bytes) -> None:
    """Let the lake be one that a version before this mark made."""
    [run] = tables.runs("transactions")
    [path] = tables.files("transactions")
    rows = pq.ParquetFile(path).read()
    marks = {name: value for name, value in (rows.schema.metadata or {}).items() if name != without}
    staged = tables.stage("transactions", run) / path.parent.name
    staged.mkdir()
    pq.write_table(rows.replace_schema_metadata(marks), staged / path.name)
    tables.publish("transactions", run)


def test_the_files_of_a_lake_say_how_accounts_were_hashed(tmp_path: Path) -> None:
    tables = FolderTables(tmp_path / "lake")
    _collect(tmp_path, "a", tables)
    [path] = tables.files("transactions")
    assert pq.read_schema(path).metadata[ACCOUNT_FORM] == FORM
    _collect(tmp_path, "b", tables)
    assert len(tables.runs("transactions")) == 2


def test_a_lake_of_the_older_form_takes_nothing_of_the_new_one(tmp_path: Path) -> None:
    tables = FolderTables(tmp_path / "lake")
    _collect(tmp_path, "a", tables)
    _rewritten(tables, without=ACCOUNT_FORM)
    with pytest.raises(UsageError, match="collect the raw files into a new workspace"):
        _collect(tmp_path, "b", tables)
    other = FolderTables(tmp_path / "other")
    _collect(tmp_path, "c", other)
    [run], [file] = other.runs("transactions"), other.files("transactions")
    with pytest.raises(UsageError, match="another form"):
        publish_table(tables, "transactions", run, file.parent.parent)
    assert tables.runs("transactions") != [run]


def test_files_that_tell_no_key_are_taken_as_they_are(tmp_path: Path) -> None:
    tables = FolderTables(tmp_path / "lake")
    _collect(tmp_path, "a", tables)
    _rewritten(tables, without=ACCOUNT_FORM)
    _rewritten(tables, without=KEY_ID)
    _collect(tmp_path, "b", tables)
    assert pa.concat_tables([pq.ParquetFile(path).read() for path in tables.files("transactions")]).num_rows == 2
