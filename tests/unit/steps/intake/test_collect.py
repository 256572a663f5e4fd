"""Collecting: every row is accounted for, duplicates lose, killed runs leave nothing, reruns complete."""

import gzip
import os
import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import SourceMapping, parse_mapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.domain.schemas import REJECTED
from counterfoil.errors import InputFileError, MappingError, StoreUnavailableError
from counterfoil.ports.lake import TableStore
from counterfoil.progress import Progress
from counterfoil.steps.intake.collect import CollectedFile, collect

MAPPING = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\n', "shop")
KEY = b"0123456789abcdef"
TIME = "2024-01-01T00:00:00Z"


class Dying(InputFiles):
    """A reader whose process dies after the first batch."""

    def batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
        yield next(super().batches(path, mapping))
        raise SystemExit("killed")


def run(
    root: Path, *paths: Path, ledger: MemoryLedger | None = None, mapping: SourceMapping = MAPPING, **options: Any
) -> list[CollectedFile]:
    settings_of = {"reader": InputFiles(), "tables": FolderTables(root), **options}
    return collect(paths, mapping, key=KEY, ledger=ledger or MemoryLedger(), **settings_of)


def written(folder: Path, lines: list[tuple[str, str]], name: str = "in.csv") -> Path:
    path = folder / name
    path.write_text("id,t,who\n" + "".join(f"{id_},{time},ann\n" for id_, time in lines))
    return path


def visible(root: Path, table: str = "transactions") -> list[dict[str, Any]]:
    files = FolderTables(root).files(table)
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def ids(root: Path) -> list[str]:
    return sorted(row["transaction_id"] for row in visible(root))


def test_rows_are_partitioned_by_utc_date_in_order_of_time(tmp_path: Path) -> None:
    times = [
        "2024-01-02T00:00:00Z",
        "2024-01-01T12:00:00Z",
        "2024-01-02T00:30:00+01:00",
        "2024-01-01T12:00:00Z",
    ]
    path = written(tmp_path, [(f"i{9 - number}", time) for number, time in enumerate(times)])
    (done,) = run(tmp_path / "lake", path)
    assert (done.rows_in, done.rows_out, done.rejected, done.skipped) == (4, 4, {}, False)
    files = FolderTables(tmp_path / "lake").files("transactions")
    assert [file.parts[-2:] for file in files] == [
        ("event_date=2024-01-01", "part-0.parquet"),
        ("event_date=2024-01-02", "part-0.parquet"),
    ]
    first = pq.ParquetFile(files[0]).read()
    assert first.schema.remove_metadata() == MAPPING.schema
    assert first["transaction_id"].to_pylist() == ["i6", "i8", "i7"]


def test_bad_rows_are_kept_with_their_reason(tmp_path: Path) -> None:
    path = written(tmp_path, [("a", "2024-01-01T00:00:00Z"), ("b", "never"), ("c,x", "2024-01-01T00:00:00Z")])
    (done,) = run(tmp_path / "lake", path)
    assert (done.rows_in, done.rows_out, done.rejected) == (3, 1, {"time_unreadable": 1, "ragged_row": 1})
    rejected = visible(tmp_path / "lake", "rejected")
    assert sorted((row["source_line"], row["reason"]) for row in rejected) == [
        (3, "time_unreadable"),
        (4, "ragged_row"),
    ]
    (file,) = FolderTables(tmp_path / "lake").files("rejected")
    assert pq.read_schema(file) == REJECTED


def test_the_later_line_of_a_doubled_id_loses(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        [("a", "2024-03-03T00:00:00Z"), ("b", "2024-01-01T00:00:00Z"), ("a", "2024-01-01T00:00:00Z")] * 2,
    )
    (done,) = run(tmp_path / "lake", path)
    assert done.rejected == {"duplicate_id": 2, "duplicate_id_other_content": 2}
    assert [(row["transaction_id"], row["source_line"]) for row in visible(tmp_path / "lake")] == [
        ("b", 3),
        ("a", 2),
    ]
    assert {row["message"] for row in visible(tmp_path / "lake", "rejected")} == {
        "the transaction id stands on an earlier line of this file",
        "the transaction id stands on an earlier line of this file, with another event_time",
    }


def test_an_id_of_another_file_loses(tmp_path: Path) -> None:
    one = written(tmp_path, [("a", "2024-01-01T00:00:00Z")], "one.csv")
    two = written(tmp_path, [("b", "2024-01-01T00:00:00Z"), ("a", "2024-01-02T00:00:00Z")], "two.csv")
    done = run(tmp_path / "lake", one, two)
    assert [file.rejected for file in done] == [{}, {"duplicate_id_other_content": 1}]
    assert ids(tmp_path / "lake") == ["a", "b"]
    assert "from another file" in visible(tmp_path / "lake", "rejected")[0]["message"]


def test_duplicates_are_found_among_tables_of_other_mappings(tmp_path: Path) -> None:
    text = '[fields]\ntransaction_id = "id"\nevent_time = "t"\n[evidence.categorical]\nchannel = "who"\n'
    one = written(tmp_path, [("a", "2024-01-01T00:00:00Z")], "one.csv")
    two = written(tmp_path, [("c", "2024-01-01T00:00:00Z")], "two.csv")
    three = written(tmp_path, [(name, "2024-01-02T00:00:00Z") for name in "abc"], "three.csv")
    run(tmp_path / "lake", one)
    run(tmp_path / "lake", two, mapping=parse_mapping(text, "other"))
    (done,) = run(tmp_path / "lake", three)
    assert done.rejected == {"duplicate_id_other_content": 2}


def test_a_done_file_is_skipped_and_a_moved_copy_gives_no_second_rows(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    path = written(tmp_path, [("a", "2024-01-01T00:00:00Z"), ("b", "2024-01-01T00:00:00Z")])
    run(tmp_path / "lake", path, ledger=ledger)
    (again,) = run(tmp_path / "lake", path, ledger=ledger)
    assert (again.skipped, again.rows_in) == (True, 0)
    (tmp_path / "copy").mkdir()
    (copied,) = run(tmp_path / "lake", path.rename(tmp_path / "copy" / "in.csv"), ledger=ledger)
    assert (copied.rows_out, copied.rejected) == (0, {"duplicate_id": 2})
    assert ids(tmp_path / "lake") == ["a", "b"]


def test_a_rerun_after_publication_is_not_its_own_duplicate(tmp_path: Path) -> None:
    """The process died after the tables were published and before the ledger knew."""
    path = written(tmp_path, [("a", "2024-01-01T00:00:00Z"), ("a", "2024-01-02T00:00:00Z")])
    first = run(tmp_path / "lake", path)
    before = visible(tmp_path / "lake")
    assert run(tmp_path / "lake", path) == first
    assert visible(tmp_path / "lake") == before


def test_a_killed_run_leaves_nothing_visible_and_a_rerun_completes_it(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    path = written(tmp_path, [("a", "2024-01-01T00:00:00Z"), ("b", "bad")])
    with pytest.raises(SystemExit):
        run(tmp_path / "lake", path, ledger=ledger, reader=Dying())
    assert visible(tmp_path / "lake") == []
    assert visible(tmp_path / "lake", "rejected") == []
    (entry,) = ledger.entries()
    assert (entry.state, entry.reason) == ("failed", "SystemExit")
    (done,) = run(tmp_path / "lake", path, ledger=ledger)
    assert (done.rows_out, ids(tmp_path / "lake")) == (1, ["a"])
    (entry,) = ledger.entries()
    assert (entry.state, entry.rows_in, entry.rows_out, entry.rows_rejected) == ("done", 2, 1, 1)


def test_rejected_rows_and_addresses_are_visible_before_the_transactions(tmp_path: Path) -> None:
    published: list[str] = []

    class Watched(FolderTables):
        def publish(self, table: str, run: str, **options: Any) -> None:
            published.append(table)
            super().publish(table, run, **options)

    tables: TableStore = Watched(tmp_path / "lake")
    run(tmp_path / "lake", written(tmp_path, [("a", "2024-01-01T00:00:00Z")]), tables=tables)
    assert published == ["rejected", "addresses", "transactions"]


def test_a_ledger_that_is_gone_does_not_hide_why_a_file_failed(tmp_path: Path) -> None:
    class Gone(MemoryLedger):
        def fail(self, *_: object) -> None:
            raise StoreUnavailableError("no server")

    path = tmp_path / "in.csv"
    path.write_bytes(b"")
    with pytest.raises(InputFileError):
        run(tmp_path / "lake", path, ledger=Gone())


def test_a_file_that_another_process_collects_is_not_taken_for_done(tmp_path: Path) -> None:
    path, ledger = written(tmp_path, [("a", TIME)]), MemoryLedger()
    ledger.claim(InputFiles().fingerprint(path), "shop")
    (held,) = run(tmp_path / "lake", path, ledger=ledger)
    assert (held.skipped, held.held) == (True, True)
    ledger.fail(InputFiles().fingerprint(path), "it died")
    run(tmp_path / "lake", path, ledger=ledger)
    (done,) = run(tmp_path / "lake", path, ledger=ledger)
    assert (done.skipped, done.held) == (True, False)


def test_an_unreadable_file_fails_and_those_before_it_stay(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    good = written(tmp_path, [("a", "2024-01-01T00:00:00Z")])
    bad = tmp_path / "bad.csv"
    bad.write_bytes(gzip.compress(good.read_bytes())[:-9])
    with pytest.raises(InputFileError, match=r"bad\.csv"):
        run(tmp_path / "lake", good, bad, ledger=ledger)
    assert ids(tmp_path / "lake") == ["a"]
    states = {Path(entry.file.location).name: entry for entry in ledger.entries()}
    assert states["in.csv"].state == "done"
    assert "cut off" in (states["bad.csv"].reason or "")


def test_the_members_of_an_archive_are_read_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("jan.csv", f"id,t,who\na,{TIME},ann\nb,never,ann\n")
        archive.writestr("feb.csv", f"id,t,who\nc,{TIME},ann\na,{TIME},bob\nshort\n")
    (done,) = run(tmp_path / "lake", path)
    assert (done.rows_in, done.rows_out, dict(done.members)) == (5, 2, {"jan.csv": 2, "feb.csv": 3})
    kept = {(row["transaction_id"], row["source"], row["source_line"]) for row in visible(tmp_path / "lake")}
    assert kept == {("a", "in.zip/jan.csv", 2), ("c", "in.zip/feb.csv", 2)}
    bad = {(row["reason"], row["source"], row["source_line"]) for row in visible(tmp_path / "lake", "rejected")}
    assert bad == {
        ("time_unreadable", "in.zip/jan.csv", 3), ("duplicate_id_other_content", "in.zip/feb.csv", 3),
        ("ragged_row", "in.zip/feb.csv", 4),
    }  # fmt: skip


def test_derived_ids_differ_between_the_members_of_an_archive(tmp_path: Path) -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\n', "no-ids")
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("one.csv", "two.csv"):
            archive.writestr(name, f"t\n{TIME}\n{TIME}\n")
    (done,) = run(tmp_path / "lake", path, mapping=mapping)
    assert (done.rows_out, len(set(ids(tmp_path / "lake")))) == (4, 4)


def test_a_member_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("jan.csv", f"id,t,who\na,{TIME},ann\n")
        archive.writestr("read me.txt", "hello\n")
    with pytest.raises(MappingError, match=r"read me\.txt: column 'id' is not in the file"):
        run(tmp_path / "lake", path)
    assert visible(tmp_path / "lake") == []


@pytest.mark.parametrize("name", [b"a\nb.csv", b"a\x1b[2Jb.csv", b"caf\xe9.csv", b"of 4111111111111111.csv"])
def test_a_file_name_that_cannot_be_printed_is_written_with_escapes(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_text(f"id,t,who\na,{TIME},ann\nb,never,ann\n")
    ledger = MemoryLedger()
    (done,) = run(tmp_path / "lake", path, ledger=ledger)
    (row,), (bad,), (entry,) = visible(tmp_path / "lake"), visible(tmp_path / "lake", "rejected"), ledger.entries()
    assert done.source == row["source"] == bad["source"] == Path(entry.file.location).name
    assert done.source.isprintable()
    assert "4111111111111111" not in entry.file.location
    path.unlink()
    with pytest.raises(InputFileError) as caught:
        run(tmp_path / "lake", path)
    assert str(caught.value).isprintable()


def test_a_file_without_rows_is_done(tmp_path: Path) -> None:
    (done,) = run(tmp_path / "lake", written(tmp_path, []))
    assert (done.rows_in, done.rows_out, done.rejected) == (0, 0, {})
    assert visible(tmp_path / "lake") == []


def test_nothing_but_partitions_is_left_in_the_table(tmp_path: Path) -> None:
    run(tmp_path / "lake", written(tmp_path, [("a", "2024-01-01T00:00:00Z")]))
    left = [path for path in (tmp_path / "lake" / "transactions" / "runs").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["part-0.parquet"]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run(
        tmp_path / "lake",
        written(tmp_path, [("a", "x"), ("b", "2024-01-01T00:00:00Z")]),
        progress=Progress(count=lambda *rows: told.append(rows)),
    )
    assert told == [(2, 0)]


@pytest.mark.slow
def test_the_order_of_a_file_does_not_change_what_is_kept(tmp_path: Path) -> None:
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    times = [datetime.fromtimestamp(start + hour * 3600, UTC).isoformat() for hour in range(2000)]
    lines = [(f"i{number}", time) for number, time in enumerate(times)]
    shuffled = random.Random(7).sample(lines, len(lines))
    run(tmp_path / "one", written(tmp_path, lines, "one.csv"))
    run(tmp_path / "two", written(tmp_path, shuffled, "two.csv"))
    kept = [[(row["transaction_id"], row["event_time"]) for row in visible(tmp_path / name)] for name in ("one", "two")]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2000


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d", "", "e,e"]),
            st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-02", "x", ""]),
        )
    )
)
def test_every_row_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("collect")
    (done,) = run(folder / "lake", written(folder, lines))
    good, bad = visible(folder / "lake"), visible(folder / "lake", "rejected")
    numbers = sorted(row["source_line"] for row in (*good, *bad))
    assert numbers == list(range(2, 2 + len(lines)))
    assert (done.rows_in, done.rows_out, sum(done.rejected.values())) == (len(lines), len(good), len(bad))
    assert len({row["transaction_id"] for row in good}) == len(good)


SHOP_WITH_IPS = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\nsource_ip = "who"\n', "shop")


def written_with_ips(folder: Path, lines: list[tuple[str, str, str]], name: str = "in.csv") -> Path:
    path = folder / name
    path.write_text("id,t,who\n" + "".join(f'{id_},{time},"{ip}"\n' for id_, time, ip in lines))
    return path


def test_the_addresses_are_those_of_the_collected_payments_once_each(tmp_path: Path) -> None:
    lines = [
        ("a", TIME, "203.0.113.9"), ("b", TIME, "203.0.113.9:443"), ("c", TIME, "2001:DB8::1"), ("d", TIME, ""),
        ("e", TIME, "nobody"), ("f", "never", "203.0.113.10"), ("a", TIME, "203.0.113.11"),
    ]  # fmt: skip
    (done,) = run(tmp_path / "lake", written_with_ips(tmp_path, lines), mapping=SHOP_WITH_IPS)
    assert done.rejected == {"time_unreadable": 1, "duplicate_id_other_content": 1}
    rows = visible(tmp_path / "lake", "addresses")
    assert {row["address"] for row in rows} == {"203.0.113.9", "2001:db8::1", None}
    kept = [row["source_ip_id"] for row in rows]
    assert kept == sorted({row["source_ip_id"] for row in visible(tmp_path / "lake")} - {None})
    assert FolderTables(tmp_path / "lake").runs("addresses") == FolderTables(tmp_path / "lake").runs("transactions")


def test_the_addresses_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    lines = [(f"i{number}", TIME, f"10.0.{number % 200}.{number % 7}") for number in range(3000)]
    run(tmp_path / "one", written_with_ips(tmp_path, lines, "one.csv"), mapping=SHOP_WITH_IPS)
    shuffled = random.Random(5).sample(lines, len(lines))
    run(tmp_path / "two", written_with_ips(tmp_path, shuffled, "two.csv"), mapping=SHOP_WITH_IPS)
    one, two = (FolderTables(tmp_path / name).files("addresses")[0].read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(visible(tmp_path / "one", "addresses")) == 1400


def test_a_file_without_source_ips_has_no_addresses(tmp_path: Path) -> None:
    run(tmp_path / "lake", written(tmp_path, [("a", TIME)]))
    run(tmp_path / "lake", written_with_ips(tmp_path, [("b", TIME, "")], "two.csv"), mapping=SHOP_WITH_IPS)
    assert visible(tmp_path / "lake", "addresses") == []
    assert len(FolderTables(tmp_path / "lake").runs("addresses")) == 2


def test_raw_addresses_are_nowhere_but_in_their_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planted = "198.51.100.23"
    lines = [
        ("a", TIME, planted), ("b", "never", planted), ("a", TIME, f"::ffff:{planted}"), ("", TIME, f"{planted}:80"),
        ("c", TIME, f"{planted}, nobody"),
    ]  # fmt: skip
    ledger = MemoryLedger()
    path = written_with_ips(tmp_path, lines)
    with path.open("a") as file:
        file.write(f"d,{TIME},{planted},too many\n")
    (done,) = run(tmp_path / "lake", path, mapping=SHOP_WITH_IPS, ledger=ledger)
    assert done.rows_out == 2
    elsewhere = [visible(tmp_path / "lake", table) for table in ("transactions", "rejected")]
    assert len(elsewhere[1]) == 4
    assert planted not in f"{elsewhere} {done} {ledger.entries()} {caplog.text}"
    assert [row["address"] for row in visible(tmp_path / "lake", "addresses")] == [planted]


def test_what_a_killed_run_spooled_stays_within_the_restricted_table(tmp_path: Path) -> None:
    left: list[tuple[str, ...]] = []

    class Looking(InputFiles):
        def batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
            yield next(super().batches(path, mapping))
            left.extend(p.relative_to(tmp_path / "lake").parts[:2] for p in (tmp_path / "lake").rglob("*.parquet"))
            raise SystemExit

    path = written_with_ips(tmp_path, [("a", TIME, "198.51.100.23")])
    with pytest.raises(SystemExit):
        run(tmp_path / "lake", path, mapping=SHOP_WITH_IPS, reader=Looking())
    assert left == [(".staged", "addresses")]
    assert list((tmp_path / "lake").rglob("*.parquet")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "mapping", "rows", "frauds", "unlabelled"),
    [
        ("aws_transactions_2k.csv", "amazon-fraud-detector-transactions", 1_611, 95, 801),
        ("aws_registrations_20k.csv", "amazon-fraud-detector-registrations", 20_000, 1_004, 0),
        ("ulb_creditcard_subset.parquet", "ulb-credit-card", 6_438, 473, 0),
    ],
)
def test_real_files_lose_no_row(
    shared_data: Path, tmp_path: Path, file: str, mapping: str, rows: int, frauds: int, unlabelled: int
) -> None:
    (done,) = run(tmp_path / "lake", shared_data / file, mapping=load_mapping(mapping))
    assert (done.rows_in, done.rows_out, done.rejected) == (rows, rows, {})
    tables = [pq.ParquetFile(path).read(["label"]) for path in FolderTables(tmp_path / "lake").files("transactions")]
    labels = pa.concat_tables(tables)["label"]
    assert (labels.to_pylist().count(1), labels.null_count) == (frauds, unlabelled)
