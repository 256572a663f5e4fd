"""Collecting again: the new rows take the place of the earlier ones, nothing is doubled, a kill is made good."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_stores import Killed, Mortal, MortalTables

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.privacy.pseudonyms import pseudonymise
from counterfoil.errors import InputFileError
from counterfoil.steps.intake.collect import Again, CollectedFile, collect
from counterfoil.steps.lake.forgotten import Traces, keep_traces

STRICT = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\n', "strict")
LENIENT = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "lenient")
TABLES = ("transactions", "rejected", "addresses")


class Place:
    """A lake and a ledger in a folder, and the file `in.csv`."""

    def __init__(self, root: Path) -> None:
        self.root, self.tables, self.ledger = root, FolderTables(root / "lake"), MemoryLedger()
        self.file = root / "in.csv"

    def write(self, *rows: str, name: str = "in.csv") -> Path:
        path = self.root / name
        path.write_text("id,t,a\n" + "".join(f"{row}\n" for row in rows))
        return path

    def collect(self, path: Path | None = None, mapping: SourceMapping = STRICT, **options: Any) -> CollectedFile:
        settings = {"key": b"k" * 16, "reader": InputFiles(), "tables": self.tables, "ledger": self.ledger, **options}
        return collect([path or self.file], mapping, **settings)[0]

    def rows(self, table: str = "transactions") -> list[dict[str, Any]]:
        return [row for file in self.tables.files(table) for row in pq.ParquetFile(file).read().to_pylist()]

    def ids(self) -> list[str]:
        return sorted(row["transaction_id"] for row in self.rows())

    def states(self) -> list[str]:
        return [entry.state for entry in self.ledger.entries()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_done_file_gives_the_same_rows_once(place: Place) -> None:
    place.write("a,2024-01-01,1", "b,2024-01-01,x")
    first = place.collect()
    before = [place.rows(table) for table in TABLES]
    assert place.collect().skipped
    assert place.collect(again=Again.SAME_CONTENT) == first
    assert [place.rows(table) for table in TABLES] == before
    assert place.states() == ["done"]


def test_another_mapping_replaces_what_the_first_made(place: Place) -> None:
    place.write("a,2024-01-01,1", "b,2024-01-01,x")
    place.write("c,2024-01-01,1", name="other.csv")
    place.collect(place.root / "other.csv")
    assert place.collect().rejected == {"amount_unreadable": 1}
    again = place.collect(mapping=LENIENT, again=Again.SAME_CONTENT)
    assert (again.rows_out, again.rejected) == (2, {})
    assert place.ids() == ["a", "b", "c"]
    assert place.rows("rejected") == []
    assert [len(place.tables.runs(table)) for table in TABLES] == [2, 2, 2]
    assert {entry.mapping for entry in place.ledger.entries()} == {"strict", "lenient"}


def test_a_corrected_file_replaces_what_it_held_before(place: Place) -> None:
    place.write("a,2024-01-01,1", "b,2024-01-01,x")
    place.collect()
    place.write("a,2024-01-01,5", "b,2024-01-01,6")
    again = place.collect(again=Again.ANY_CONTENT)
    assert (again.rows_out, again.rejected) == (2, {})
    assert [int(row["amount"]) for row in place.rows()] == [5, 6]
    assert place.rows("rejected") == []
    assert sorted(place.states()) == ["done", "unclaimed"]


def test_what_a_file_held_before_stays_unless_it_was_corrected(place: Place) -> None:
    place.write("a,2024-01-01,1")
    place.collect()
    place.write("b,2024-01-02,1")  # a name that is used anew each day
    place.collect(again=Again.SAME_CONTENT)
    assert place.ids() == ["a", "b"]


def test_a_failed_file_is_collected(place: Place) -> None:
    place.file.write_text("id,t\n")
    with pytest.raises(Exception, match="a"):
        place.collect()
    assert place.states() == ["failed"]
    assert place.collect(mapping=LENIENT, again=Again.SAME_CONTENT).rows_in == 0
    assert place.states() == ["done"]


@pytest.mark.parametrize("dies_at", range(3))
def test_a_kill_between_the_tables_is_made_good(place: Place, dies_at: int) -> None:
    place.write("a,2024-01-01,1", "b,2024-01-01,x")
    place.collect()
    tables = MortalTables(place.root / "lake")
    tables.mortal = Mortal(dies_at=dies_at)
    with pytest.raises(Killed):
        place.collect(mapping=LENIENT, again=Again.SAME_CONTENT, tables=tables)
    place.collect(mapping=LENIENT, again=Again.SAME_CONTENT)
    assert place.ids() == ["a", "b"]
    assert [len(place.tables.runs(table)) for table in TABLES] == [1, 1, 1]


def test_a_file_that_cannot_be_read_again_leaves_its_rows(place: Place) -> None:
    place.write("a,2024-01-01,1")
    place.collect()

    class Broken(InputFiles):
        def batches(self, path: Path, mapping: SourceMapping) -> Any:
            raise InputFileError(f"{path} is gone for {mapping.name}")

    with pytest.raises(InputFileError):
        place.collect(again=Again.SAME_CONTENT, reader=Broken())
    assert place.ids() == ["a"]
    assert place.states() == ["failed"]


class TestForgottenAccounts:
    """Rows of a forgotten account are refused, whenever and however their file is collected."""

    mapping = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "a"\n', "who")

    def forget(self, place: Place, account: str) -> str:
        pseudonym = str(pseudonymise(pa.array([account]), "account", b"k" * 16)[0].as_py())
        keep_traces(place.tables, Traces(pseudonym, frozenset()))
        return pseudonym

    def test_they_are_counted_under_their_reason_and_say_nothing(self, place: Place) -> None:
        place.write("p,2024-01-01,ann", "q,never,ann", "r,2024-01-01,bob", "s,2024-01-01,", "t,never,")
        pseudonym = self.forget(place, "ann")
        done = place.collect(mapping=self.mapping)
        assert (done.rows_in, done.rows_out) == (5, 2)
        assert done.rejected == {"account_forgotten": 2, "time_unreadable": 1}
        assert place.ids() == ["r", "s"]
        text = f"{place.rows('rejected')} {place.rows('addresses')} {place.ledger.entries()}"
        assert "ann" not in text
        assert pseudonym not in text
        assert {row["source_line"] for row in place.rows("rejected")} == {2, 3, 6}

    def test_collecting_again_does_not_bring_them_back(self, place: Place) -> None:
        place.write("p,2024-01-01,ann", "r,2024-01-01,bob")
        place.collect(mapping=self.mapping)
        self.forget(place, "ann")
        assert place.collect(mapping=self.mapping, again=Again.SAME_CONTENT).rejected == {"account_forgotten": 1}
        assert place.ids() == ["r"]

    def test_a_mapping_without_accounts_collects_as_before(self, place: Place) -> None:
        place.write("p,2024-01-01,1")
        self.forget(place, "1")
        assert place.collect().rejected == {}
