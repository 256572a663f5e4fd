"""What a workspace holds, counted anew from its tables and its ledger."""

from pathlib import Path

import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import CounterfoilError, NotFoundError
from counterfoil.ports.lake import SourceFile
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.lake.status import TableSize, mapping_of, status

MAPPING = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "shop")


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def collected(folder: Path, ledger: MemoryLedger) -> FolderTables:
    """Collect two files, fail at a third, and leave a fourth claimed."""
    contents = {"one": "id,t\na,2024-01-01\nb,never\n", "two": "id,t\na,2024-01-01\nc,2024-02-01\nd,x\n", "bad": "t\n"}
    tables = FolderTables(folder / "lake")
    for name, content in contents.items():
        path = folder / f"{name}.csv"
        path.write_text(content)
        try:
            collect([path], MAPPING, key=b"k" * 16, reader=InputFiles(), tables=tables, ledger=ledger)
        except CounterfoilError:
            continue
    ledger.claim(SourceFile("/elsewhere.csv", "0" * 64), "shop")
    return tables


def test_files_tables_and_reasons_are_counted(tmp_path: Path, ledger: MemoryLedger) -> None:
    tables = collected(tmp_path, ledger)
    found = status(tables, ledger)
    assert found.states == {"done": 2, "claimed": 1, "failed": 1}
    assert [Path(entry.file.location).name for entry in found.files] == [
        Path(entry.file.location).name for entry in ledger.entries()
    ]
    (failed,) = (entry for entry in found.files if entry.state == "failed")
    assert "'id'" in str(failed.reason)
    newest = tables.runs("transactions")[-1]
    assert found.tables == (
        TableSize("addresses", 2, 0, 0, newest), TableSize("rejected", 2, 2, 3, newest),
        TableSize("transactions", 2, 2, 2, newest),
    )  # fmt: skip
    assert found.rejected == {"time_unreadable": 2, "duplicate_id": 1}


def test_an_empty_workspace_has_nothing(tmp_path: Path, ledger: MemoryLedger) -> None:
    found = status(FolderTables(tmp_path / "lake"), ledger)
    assert (found.files, found.tables, found.rejected, found.states) == ((), (), {}, {})


def test_a_file_s_mapping_is_that_of_its_place(ledger: MemoryLedger) -> None:
    ledger.claim(SourceFile("/in.csv", "a" * 64), "shop")
    assert mapping_of(ledger, SourceFile("/in.csv", "a" * 64)) == "shop"
    assert mapping_of(ledger, SourceFile("/in.csv", "b" * 64)) == "shop"
    with pytest.raises(NotFoundError, match=r"/copy\.csv was never collected; its content was, from /in\.csv"):
        mapping_of(ledger, SourceFile("/copy.csv", "a" * 64))
    with pytest.raises(NotFoundError, match="run 'counterfoil collect'"):
        mapping_of(ledger, SourceFile("/copy.csv", "c" * 64))
