"""Whatever is delivered how often and in whatever folder: each id is in the lake once, each other row has its reason.

Two processes at once are in test_collected_once.py and test_published_at_once.py, whole pipelines in tests/pipelines.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from two_processes import rows_of

from counterfoil.adapters.files.folders import find_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.lake import SourceFile
from counterfoil.steps.intake.collect import Again, collect

MAPPING = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\naccount = "who"\nlabel = "l"\n'
    '[labels]\nfraud = ["1"]\ngood = ["0"]\nunknown = [""]\n',
    "m",
)


class ForgetfulLedger(MemoryLedger):
    """A ledger that is gone just when a file is done."""

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:  # noqa: ARG002
        raise StoreUnavailableError("the ledger is gone")


class Lake:
    """A folder of deliveries, and the lake that they are collected into."""

    def __init__(self, place: Path) -> None:
        self.inbox, self.root = place / "in", place / "lake"
        self.ledger = MemoryLedger()
        self.labels_said = 0

    @property
    def tables(self) -> FolderTables:
        return FolderTables(self.root)

    def deliver(self, name: str, ids: Iterable[int], label: str = "", amount: str = "1.00") -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"p{n},2026-03-0{1 + n % 3}T10:00:00Z,{amount},a{n % 4},{label}\n" for n in ids]
        path.write_text("id,t,a,who,l\n" + "".join(rows))
        return path

    def collect(self, *, ledger: MemoryLedger | None = None, again: Again = Again.NO) -> list[str]:
        """Collect all that lies there; return the names of the files that failed."""
        found = find_files([self.inbox])
        done = collect(
            found.files, MAPPING, key=b"k" * 16, reader=InputFiles(), tables=self.tables,
            ledger=ledger or self.ledger, again=again, keep_going=True,
        )  # fmt: skip
        for file in done:
            assert file.rows_in == file.rows_out + sum(file.rejected.values())
        self.labels_said += sum(file.labels.new for file in done)
        return [file.source for file in done if file.failed]


def the_whole_export_again_with_labels(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("week.csv", range(9))
    lake.collect()
    lake.deliver("week-with-labels.csv", range(9), label="1")
    lake.collect()
    assert lake.labels_said == 9
    return set(range(9)), {"duplicate_id": 9}


def a_delivery_that_grows(lake: Lake) -> tuple[set[int], dict[str, int]]:
    for days in (3, 6, 9):
        lake.deliver(f"to-date-{days}.csv", range(days))
        lake.collect()
    return set(range(9)), {"duplicate_id": 9}


def a_file_that_is_corrected_in_its_place(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("day.csv", range(5))
    lake.collect()
    lake.deliver("day.csv", range(2, 8))
    lake.collect(again=Again.ANY_CONTENT)
    return set(range(2, 8)), {}


def ids_that_are_none(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("a.csv", [1, 1, 2])
    lake.deliver("b.csv", [2, 3], amount="9.00")
    lake.collect()
    return {1, 2, 3}, {"duplicate_id": 1, "duplicate_id_other_content": 1}


def a_stale_copy_of_jupyter_and_a_copy_under_another_run(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver(".ipynb_checkpoints/day-checkpoint.csv", range(4), amount="7.00")
    lake.deliver("run=1/day.csv", range(4))
    lake.deliver("run=2/day.csv", range(4))
    lake.deliver("run=2/next.csv.tmp", range(9))
    lake.deliver("_temporary/0/part.csv", range(9))
    lake.collect()
    assert {float(row["amount"]) for row in rows_of(lake.tables, "transactions")} == {1.0}
    return set(range(4)), {"duplicate_id": 4}


def a_file_that_fails_for_two_nights(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("good.csv", range(4))
    bad = lake.deliver("worse.csv", range(4, 6))
    text = bad.read_text()
    bad.write_text(text.replace("id,t,", "ident,when,"))
    (lake.inbox / "day_$folder$").touch()
    for _ in range(2):
        assert lake.collect() == ["worse.csv"]
    bad.write_text(text)
    assert lake.collect() == []
    return set(range(6)), {}


def parts_without_rows(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("out/part-0.csv", [0, 1])
    lake.deliver("out/part-1.csv", []).write_text("")
    lake.deliver("out/part-2.csv", [])
    lake.deliver("out/part-3.csv", [2])
    assert lake.collect() == ["part-1.csv"]
    return {0, 1, 2}, {}


def a_ledger_that_is_gone_at_the_end(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("day.csv", [*range(5), 0])
    with pytest.raises(StoreUnavailableError):
        lake.collect(ledger=ForgetfulLedger())
    lake.collect()
    return set(range(5)), {"duplicate_id": 1}


def a_lake_that_is_moved_between_two_deliveries(lake: Lake) -> tuple[set[int], dict[str, int]]:
    lake.deliver("a.csv", range(5))
    lake.collect()
    lake.root = lake.root.rename(lake.root.with_name("moved"))
    lake.deliver("b.csv", range(3, 8))
    lake.collect()
    return set(range(8)), {"duplicate_id": 2}


@pytest.mark.parametrize(
    "live",
    [
        the_whole_export_again_with_labels, a_delivery_that_grows, a_file_that_is_corrected_in_its_place,
        ids_that_are_none, a_stale_copy_of_jupyter_and_a_copy_under_another_run, a_file_that_fails_for_two_nights,
        parts_without_rows, a_ledger_that_is_gone_at_the_end, a_lake_that_is_moved_between_two_deliveries,
    ],
)  # fmt: skip
def test_each_id_is_there_once_and_each_other_row_has_its_reason(
    tmp_path: Path, live: Callable[[Lake], tuple[set[int], dict[str, int]]]
) -> None:
    lake = Lake(tmp_path)
    ids, refused = live(lake)
    expected = Counter({f"p{number}": 1 for number in ids})
    assert Counter(row["transaction_id"] for row in rows_of(lake.tables, "transactions")) == expected
    rejected = rows_of(lake.tables, "rejected")
    assert Counter(row["reason"] for row in rejected) == refused
    assert len({(row["source"], row["source_line"]) for row in rejected}) == len(rejected)
    lake.collect()  # all of it lies there still, and is known
    assert Counter(row["transaction_id"] for row in rows_of(lake.tables, "transactions")) == expected
