"""An account is gone from all stores, a search proves it, and a kill at any write changes nothing of the end."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from release_stores import Killed, MemoryReferences, MemoryReleases, MortalTables

from counterfoil.adapters.aws.tables import S3Tables
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.release.references import checksum
from counterfoil.domain.tables import FORGOTTEN_TABLE
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import SourceFile
from counterfoil.progress import Progress
from counterfoil.steps.lake.forgotten import forgotten_accounts, read_traces
from counterfoil.steps.lake.rewriting import below_run, rewrite
from counterfoil.steps.lake.runs import run_ending
from counterfoil.steps.privacy.forget import Forgotten, forget
from counterfoil.steps.privacy.forget_releases import ReleaseStores
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate
from counterfoil.steps.releases.releases import promote, resolve, retire
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector

FILE = SourceFile("/raw/payments.csv", "f" * 64)


@dataclass
class Place:
    """A lake with evidence, transactions and scores, one release, and a ledger."""

    tables: MortalTables
    stores: MemoryReleases
    ledger: MemoryLedger

    def forget(self, account: str, **options: Any) -> Forgotten:
        self.tables.mortal = self.stores
        stores = self.stores
        given = {"operator": "ada", "reason": "asked for it", **options}
        return forget(
            self.tables, ReleaseStores(stores, MemoryReferences(stores), stores), self.ledger, account, **given
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [row for file in self.files(table) for row in file.to_pylist()]

    def files(self, table: str) -> list[pa.Table]:
        return [pq.ParquetFile(path).read() for path in self.tables.files(table)]

    def state(self) -> dict[str, Any]:
        """Everything that is kept, but for the order in which the log was written; as rows it would take seconds."""
        return {
            "tables": {table: self.files(table) for table in self.tables.tables()},
            "runs": {table: self.tables.runs(table) for table in self.tables.tables()},
            "releases": self.stores.found,
            "bases": {name: checksum(base) for name, base in self.stores.bases.items()},
            "log": [(entry.kind, entry.subject, entry.details) for entry in self.stores.log],
        }


@pytest.fixture(scope="module")
def template(
    payments: pa.Table, candidate: Candidate, embedder: Any, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """Return a place that tests copy. The source IP of each account is its own, but for one that two share."""
    root = tmp_path_factory.mktemp("place")
    tables, stores = MortalTables(root / "lake"), MemoryReleases(root / "releases")
    accounts = payments.column("account_id").to_pylist()
    ips = ["shared" if account in ("a1", "a2") else f"ip-{account}" for account in accounts]
    transactions = payments.append_column("source_ip_id", pa.array(ips))
    transactions = transactions.append_column("source", pa.array(["payments.csv"] * payments.num_rows))
    half = payments.num_rows // 2
    put(tables, "evidence", "features", payments)
    put(tables, "transactions", f"shop{run_ending(FILE)}", transactions.slice(0, half))
    put(tables, "transactions", "of-an-unknown-file", transactions.slice(half))
    put(tables, "addresses", "r", pa.table({"source_ip_id": sorted(set(ips)), "address": ["8.8.8.8"] * len(set(ips))}))
    put(tables, "source_ips", "all", pa.table({"source_ip_id": sorted(set(ips))}))
    put(tables, "rejected", "r", pa.table({"source": ["payments.csv"], "source_line": [7], "reason": ["x"]}))
    register_candidate(
        candidate, MemoryReferences(stores), stores, evaluation={"plots/p.svg": b"<svg/>"}, metrics={"auc": 0.9}
    )
    promote(stores, stores, candidate.release.release_id, "champion", "bob", "best", without_gate=True)
    detect(tables, Detector(candidate.release, candidate.references, embedder), run="s1")
    ledger = MemoryLedger()
    ledger.claim(FILE, "shop")
    ledger.complete(FILE, rows_in=half, rows_out=half, rows_rejected=0)
    return Place(tables, stores, ledger)


def put(tables: FolderTables, table: str, run: str, rows: pa.Table) -> None:
    pq.write_table(rows, tables.stage(table, run) / "part-0.parquet", row_group_size=700)
    tables.publish(table, run)


@pytest.fixture
def copied(template: Place, tmp_path: Path) -> Callable[[], Place]:
    """Return a maker of copies of the place."""
    numbers = itertools.count()

    def copy() -> Place:
        root = tmp_path / str(next(numbers))
        shutil.copytree(template.tables._root.parent, root)
        old = template.stores
        stores = MemoryReleases(root / "releases", dict(old.found), dict(old.bases), log=list(old.log))
        return Place(MortalTables(root / "lake"), stores, template.ledger)

    return copy


@pytest.fixture
def place(copied: Callable[[], Place]) -> Place:
    return copied()


@pytest.fixture(scope="module")
def account(template: Place, candidate: Candidate) -> str:
    """Return the account with the most references."""
    kept = set(candidate.references.column("reference_id").to_pylist())
    counts: dict[str, int] = {}
    for row in template.rows("evidence"):
        counts[row["account_id"]] = counts.get(row["account_id"], 0) + (row["transaction_id"] in kept)
    return max(counts, key=lambda name: (counts[name], name))


@pytest.mark.slow
def test_it_is_gone_and_the_others_stay(place: Place, account: str) -> None:
    before = {table: place.rows(table) for table in place.tables.tables()}
    ids = {row["transaction_id"] for row in before["transactions"] if row["account_id"] == account}
    report = place.forget(account)
    assert report.absent
    assert report.payments == len(ids) > 20
    for table in ("transactions", "evidence", "scored_evidence"):
        assert place.rows(table) == [row for row in before[table] if row["account_id"] != account]
    assert place.rows("rejected") == before["rejected"]
    others = [row for row in before["scores"] if row["account_id"] != account]
    for old, new in zip(others, place.rows("scores"), strict=True):
        for was, now in zip(old.pop("precedents"), new.pop("precedents"), strict=True):
            hidden = {**was, "reference_id": None, "event_time": None}
            assert now == (hidden if was["reference_id"] in ids else was)
        assert new == old
    everything = {table: place.rows(table) for table in place.tables.tables() if table != FORGOTTEN_TABLE}
    text = f"{everything} {[base.to_pylist() for base in place.stores.bases.values()]}"
    assert not [name for name in (f"'{account}'", *(f"'{one}'" for one in ids)) if name in text]


@pytest.mark.slow
def test_the_report_says_what_was_touched(place: Place, account: str) -> None:
    before = place.rows("scores")
    ids = {row["transaction_id"] for row in place.rows("transactions") if row["account_id"] == account}
    report = place.forget(account)
    assert report.own_scores == tuple(sorted(("s1", name) for name in ids))
    touched = {
        ("s1", row["transaction_id"]) for row in before
        if row["account_id"] != account and ids & {one["reference_id"] for one in row["precedents"]}
    }  # fmt: skip
    assert set(report.touched_scores) == touched
    assert len(touched) > 10
    assert report.rows == dict.fromkeys(("evidence", "scored_evidence", "scores", "transactions"), len(ids))
    assert set(report.sources) == {FILE.location, "payments.csv"}
    (entry,) = place.stores.entries("forget")
    assert (entry.subject, entry.actor, entry.reason) == (account, "ada", "asked for it")
    assert entry.details["absent"] is True
    assert entry.details["own_scores"] == len(ids)
    searched = {place for place in report.searched if place.startswith("table")}
    assert searched == {f"table {name}" for name in place.tables.tables()} - {f"table {FORGOTTEN_TABLE}"}


@pytest.mark.slow
def test_the_release_is_made_anew_without_its_references(
    place: Place, account: str, candidate: Candidate, embedder: Any
) -> None:
    old = candidate.release.release_id
    report = place.forget(account)
    new = report.releases[old]
    assert new is not None
    assert list(place.stores.bases) == [new]
    release = load_release(place.stores, new)
    assert report.references == {old: candidate.release.reference_rows - release.reference_rows}
    detector = Detector.load(release, MemoryReferences(place.stores), embedder)
    ids = {row["transaction_id"] for row in place.rows("evidence")}
    assert set(detector.references.column("reference_id").to_pylist()) <= ids
    assert resolve(place.stores) == resolve(place.stores, "champion") == new
    registered = place.stores.found[new]
    assert (registered.metrics["auc"], registered.tags["rebuilt_from"]) == (0.9, old)
    assert (place.stores.fetch(new) / "plots" / "p.svg").read_bytes() == b"<svg/>"
    assert place.stores.found[old].tags["retired"] == "yes"
    assert "whose account was forgotten" in release.notes[-1]
    assert [(entry.kind, entry.subject) for entry in place.stores.log[1:]] == [
        ("promote", new), ("retire", old), ("forget", account),
    ]  # fmt: skip


@pytest.mark.slow
def test_source_ips_that_only_it_used_are_gone(place: Place) -> None:
    place.forget("a1")
    for table in ("addresses", "source_ips"):
        assert "shared" in {row["source_ip_id"] for row in place.rows(table)}
    place.forget("a2")
    place.forget("a3")
    for table in ("addresses", "source_ips"):
        assert not {"shared", "ip-a3"} & {row["source_ip_id"] for row in place.rows(table)}
        assert len(place.rows(table)) == 37
    assert forgotten_accounts(place.tables) == {"a1", "a2", "a3"}


@pytest.mark.slow
def test_forgetting_twice_changes_nothing(place: Place, account: str) -> None:
    first = place.forget(account)
    state = place.state()
    assert place.forget(account) == first
    assert place.state() == state


@pytest.mark.slow
def test_killed_at_any_write_and_run_again_it_ends_the_same(copied: Callable[[], Place], account: str) -> None:
    whole = copied()
    report = whole.forget(account)
    expected = whole.state()
    for dies_at in range(whole.stores.writes):
        place = copied()
        place.stores.dies_at = dies_at
        with pytest.raises(Killed):
            place.forget(account)
        place.stores.dies_at = None
        assert place.forget(account) == report
        assert place.state() == expected, f"killed before write {dies_at}"
    assert whole.stores.writes > 12


def test_files_that_a_killed_try_replaced_go_though_nothing_names_the_account_any_more(
    place: Place, account: str
) -> None:
    place.forget(account)
    [run] = {path.parent for path in place.tables.files("addresses")}
    left = shutil.copytree(run, run.with_name(f"{run.name.rpartition('.')[0]}.0-00000000"))
    place.forget(account)
    assert not left.exists()
    assert run.exists()


def test_from_the_first_write_on_it_is_not_collected(place: Place, account: str) -> None:
    place.stores.dies_at = 1
    with pytest.raises(Killed):
        place.forget(account)
    assert forgotten_accounts(place.tables) == {account}
    assert len(place.rows("transactions")) == 3000


def test_what_is_written_meanwhile_is_found(place: Place, account: str) -> None:
    def write(what: str) -> None:
        if what == "searching":
            row = {"transaction_id": "late", "account_id": account, "source": "x", "source_ip_id": None}
            put(place.tables, "transactions", "late", pa.Table.from_pylist([row]))

    report = place.forget(account, progress=Progress(begin=write))
    assert not report.absent
    assert report.searched["table transactions"] == 1
    assert place.stores.entries("forget") == []
    assert place.forget(account).absent
    assert len(place.stores.entries("forget")) == 1


def test_an_unknown_account_is_not_forgotten(place: Place) -> None:
    with pytest.raises(NotFoundError, match="pseudonym nobody: give its id as it stands in the files"):
        place.forget("nobody")
    assert forgotten_accounts(place.tables) == frozenset()
    assert read_traces(place.tables, "nobody") is None
    with pytest.raises(UsageError, match="--reason"):
        place.forget("a1", reason=" ")
    with pytest.raises(UsageError, match="name who decides it"):
        place.forget("a1", operator="ci")
    assert forgotten_accounts(place.tables) == frozenset()


def test_a_lake_in_s3_forgets_too(bucket: str, tmp_path: Path) -> None:
    tables = S3Tables(f"s3://{bucket}/lake", glue_database="lake", cache=tmp_path / "cache")
    for run, accounts in (("one", ["a", "b"]), ("two", ["c", "c"]), ("three", ["a", "a"])):
        staged = tables.stage("transactions", run)
        for day, account in enumerate(accounts, 1):
            row = {"transaction_id": f"{run}{day}", "account_id": account, "source_ip_id": account, "source": "in.csv"}
            (staged / f"event_date=2024-01-0{day}").mkdir()
            pq.write_table(pa.Table.from_pylist([row]), staged / f"event_date=2024-01-0{day}" / "part-0.parquet")
        tables.publish("transactions", run)
    before = tables.files("transactions", "two")
    stores = MemoryReleases(tmp_path / "releases")
    report = forget(
        tables, ReleaseStores(stores, MemoryReferences(stores), stores), MemoryLedger(), "a", "ada", "asked for it"
    )
    assert (report.absent, report.payments, report.sources) == (True, 3, ("in.csv",))
    assert tables.runs("transactions") == ["one", "two", "three"]
    assert tables.files("transactions", "two") == before
    left = [pq.ParquetFile(path).read()["transaction_id"][0].as_py() for path in tables.files("transactions")]
    assert sorted(left) == ["one2", "two1", "two2"]
    there = S3Tables(f"s3://{bucket}/lake", glue_database="lake", cache=tmp_path / "elsewhere")
    assert len(there.files("transactions")) == 3
    assert forgotten_accounts(there) == {"a"}


PAYEE, MERCHANT = "e" * 32, "shop 3"


@pytest.fixture
def paid(copied: Callable[[], Place]) -> Callable[[], Place]:
    """Return a maker of places where an account stands in one merchant's place."""

    def renamed(rows: pa.Table) -> pa.Table:
        if "merchant_id" not in rows.column_names:
            return rows
        place = rows.schema.get_field_index("merchant_id")
        merchants = rows.column(place).cast(pa.string()).to_pylist()
        named = [PAYEE if name == MERCHANT else name for name in merchants]
        return rows.set_column(place, rows.schema.field(place), pa.array(named, pa.string()))

    def make() -> Place:
        place = copied()
        runs = [(table, run) for table in place.tables.tables() for run in place.tables.runs(table)]
        for name, run in runs:
            staged = place.tables.stage(name, run)
            for path in place.tables.files(name, run):
                rewrite(path, staged / below_run(path), renamed)
            place.tables.publish(name, run)
        place.stores.bases = {name: renamed(base) for name, base in place.stores.bases.items()}
        return place

    return make


class TestPayee:
    """An account that others paid: they keep their payments, and its name is gone."""

    def test_rows_and_references_lose_its_name_only(self, paid: Callable[[], Place], candidate: Candidate) -> None:
        place = paid()
        before = {table: place.rows(table) for table in place.tables.tables()}
        old = candidate.release.release_id
        base = place.stores.bases[old]
        report = place.forget(PAYEE)
        assert (report.absent, report.payments, report.rows, report.references) == (True, 0, {}, {})
        named = {
            table: sum(row.get("merchant_id") == PAYEE for row in rows) for table, rows in before.items()
        }  # fmt: skip
        assert report.payee_rows == {table: count for table, count in named.items() if count}
        assert set(report.payee_rows) == {"evidence", "scored_evidence", "transactions"}
        blank = {"merchant_id": None}
        for table, rows in before.items():
            assert place.rows(table) == [row | blank if row.get("merchant_id") == PAYEE else row for row in rows]
        new = report.releases[old]
        assert new is not None
        rebuilt = place.stores.bases[new]
        assert report.payee_references == {old: base.column("merchant_id").to_pylist().count(PAYEE)}
        assert rebuilt.drop_columns(["merchant_id"]) == base.drop_columns(["merchant_id"])
        assert PAYEE not in rebuilt.column("merchant_id").to_pylist()
        assert resolve(place.stores) == new
        assert "the payee of" in load_release(place.stores, new).notes[-1]
        assert place.stores.found[old].tags["retired"] == "yes"

    def test_the_scores_of_payments_to_it_are_listed(self, paid: Callable[[], Place]) -> None:
        place = paid()
        ids = {row["transaction_id"] for row in place.rows("transactions") if row["merchant_id"] == PAYEE}
        report = place.forget(PAYEE)
        assert report.own_scores == ()
        assert report.touched_scores == tuple(sorted(("s1", one) for one in ids))
        assert len(ids) > 10
        (entry,) = place.stores.entries("forget")
        assert entry.details["touched_scores"] == len(ids)

    @pytest.mark.slow
    def test_killed_at_any_write_and_run_again_it_ends_the_same(self, paid: Callable[[], Place]) -> None:
        whole = paid()
        report = whole.forget(PAYEE)
        expected = whole.state()
        for dies_at in range(whole.stores.writes):
            place = paid()
            place.stores.dies_at = dies_at
            with pytest.raises(Killed):
                place.forget(PAYEE)
            place.stores.dies_at = None
            assert place.forget(PAYEE) == report
            assert place.state() == expected, f"killed before write {dies_at}"
        assert whole.stores.writes > 7
        assert whole.forget(PAYEE) == report


class TestReleases:
    """Which releases get a successor."""

    def other(self, place: Place, candidate: Candidate, note: str) -> str:
        release = replace(candidate.release, notes=(note,))
        return register_candidate(
            Candidate(release, candidate.references), MemoryReferences(place.stores), place.stores
        ).release_id

    def test_with_a_champion_all_do_and_places_are_kept(self, place: Place, candidate: Candidate, account: str) -> None:
        challenger, plain = self.other(place, candidate, "two"), self.other(place, candidate, "three")
        promote(place.stores, place.stores, challenger, "challenger")
        successors = place.forget(account).releases
        assert list(successors) == [candidate.release.release_id, challenger, plain]
        assert None not in successors.values()
        assert resolve(place.stores, "challenger") == successors[challenger]
        assert resolve(place.stores) == successors[candidate.release.release_id]
        assert sorted(place.stores.bases) == sorted(successors.values())

    def test_without_a_champion_only_the_one_in_use_does(
        self, place: Place, candidate: Candidate, account: str
    ) -> None:
        newer = self.other(place, candidate, "two")
        place.stores.set_alias("champion", None)
        successors = place.forget(account).releases
        assert successors[candidate.release.release_id] is None
        assert resolve(place.stores) == successors[newer]

    def test_a_retired_one_loses_its_references(self, place: Place, candidate: Candidate, account: str) -> None:
        retired = self.other(place, candidate, "two")
        retire(place.stores, place.stores, retired, "bob", "old")
        successors = place.forget(account).releases
        assert successors[retired] is None
        assert retired not in place.stores.bases

    def test_references_that_no_release_has_are_dropped(self, place: Place, candidate: Candidate, account: str) -> None:
        place.stores.bases["orphan"] = candidate.references
        report = place.forget(account)
        assert report.absent
        assert "orphan" in report.references
        assert "orphan" not in place.stores.bases

    def test_a_release_without_the_account_stays(self, place: Place, candidate: Candidate, account: str) -> None:
        ids = pa.array([row["transaction_id"] for row in place.rows("evidence") if row["account_id"] == account])
        kept = candidate.references.filter(pc.invert(pc.is_in(candidate.references.column("reference_id"), ids)))
        release = replace(candidate.release, reference_checksum=checksum(kept), reference_rows=kept.num_rows)
        other = register_candidate(Candidate(release, kept), MemoryReferences(place.stores), place.stores).release_id
        report = place.forget(account)
        assert other not in report.releases
        assert place.stores.found[other].tags.get("retired") is None

    def test_one_that_would_be_left_without_frauds_has_no_successor(self, place: Place, candidate: Candidate) -> None:
        frauds = candidate.references.filter(pc.equal(candidate.references.column("label"), 1))
        only = frauds.slice(0, 1)
        good = candidate.references.filter(pc.equal(candidate.references.column("label"), 0))
        whose = {row["transaction_id"]: row["account_id"] for row in place.rows("evidence")}
        account = whose[only.column("reference_id")[0].as_py()]
        place.stores.bases[candidate.release.release_id] = pa.concat_tables([only, good])
        assert place.forget(account).releases == {candidate.release.release_id: None}
        with pytest.raises(NotFoundError, match="no release in this workspace"):
            resolve(place.stores)
