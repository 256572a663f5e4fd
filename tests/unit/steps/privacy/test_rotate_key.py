"""A lake under the next key: what joined joins, nothing of the old pseudonyms is left, kills are made good."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_stores import MemoryDecisions

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.key import KeyFile
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, pseudonymise
from counterfoil.errors import UsageError
from counterfoil.ports.lake import SourceFile
from counterfoil.progress import Progress
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.intake.curate import curate
from counterfoil.steps.privacy.rotate_key import rekey, require_quiet
from counterfoil.workspace import rotate_key as key_rotation
from counterfoil.workspace.rotate_key import rotate_own_key
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

OLD = PseudonymKeys((b"o" * 32,))
NEW = OLD.followed_by(b"n" * 32)
MAPPING = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\nsource_ip = "ip"\nemail = "mail"\n', "shop"
)


def fill(tables: FolderTables, folder: Path, key: PseudonymKeys, name: str = "in.csv", prefix: str = "p") -> None:
    """Collect 60 payments, and build what follows from them."""
    path = folder / name
    rows = [
        f"{prefix}{n},2024-01-{1 + n % 9:02},a{n % 7},10.0.0.{n % 5},x{n % 7}@example.org" if n % 6
        else f"{prefix}{n},2024-01-01,,," for n in range(60)
    ]  # fmt: skip
    path.write_text("id,t,who,ip,mail\n" + "\n".join([*rows, "bad,never,a,b,c"]) + "\n")
    collect([path], MAPPING, key=key, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    curate(tables)
    build_features(tables, MAPPING, label_delay=timedelta(days=7))


def read(tables: FolderTables, table: str) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(path).read() for path in tables.files(table)], promote_options="default")


def content(tables: FolderTables) -> dict[str, list[dict[str, Any]]]:
    return {table: read(tables, table).to_pylist() for table in tables.tables() if tables.files(table)}


def test_hashed_merchants_are_not_carried_over_and_that_is_said(tmp_path: Path) -> None:
    text = '[fields]\ntransaction_id = "id"\nevent_time = "t"\nmerchant = "to"\n[privacy]\nhashed = ["merchant"]\n'
    path, tables = tmp_path / "in.csv", FolderTables(tmp_path / "lake")
    path.write_text("id,t,to\np1,2024-01-01,someone\n")
    collect([path], parse_mapping(text, "wires"), key=OLD, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    with pytest.raises(UsageError, match=r"merchants as keyed hashes .* into a new workspace"):
        rekey(tables, FolderTables(tmp_path / "new"), OLD, NEW)


def test_the_copy_is_what_collecting_with_both_keys_gives(tmp_path: Path) -> None:
    old, new, expected = (FolderTables(tmp_path / name) for name in ("old", "new", "expected"))
    for tables, key in ((old, OLD), (expected, NEW)):
        fill(tables, tmp_path, key)
        fill(tables, tmp_path, key, "two.csv", "q")
    before = content(old)
    done = rekey(old, new, OLD, NEW)
    assert content(new) == content(expected)
    assert content(old) == before
    assert [new.runs(table) for table in new.tables()] == [old.runs(table) for table in old.tables()]
    columns = {copied.table: copied.columns for copied in done}
    assert columns["transactions"] == ("account_id", "device_id", "email_id", "phone_id", "source_ip_id")
    assert (columns["rejected"], columns["source_ip_days"]) == ((), ("source_ip_id",))
    assert {copied.table: copied.rows for copied in done}["transactions"] == 120


def test_no_old_pseudonym_is_left(tmp_path: Path) -> None:
    old, new = FolderTables(tmp_path / "old"), FolderTables(tmp_path / "new")
    fill(old, tmp_path, OLD)
    rekey(old, new, OLD, NEW)
    raw = pa.array([*(f"a{n}" for n in range(7)), *(f"10.0.0.{n}" for n in range(5))])
    known = {pseudonymise(raw, kind, OLD)[n].as_py() for kind in ("account", "source_ip") for n in range(len(raw))}
    text = str(content(new))
    assert not [name for name in known if name in text]
    assert [name for name in known if name in str(content(old))]


def test_files_keep_their_layout(tmp_path: Path) -> None:
    old, new = FolderTables(tmp_path / "old"), FolderTables(tmp_path / "new")
    fill(old, tmp_path, OLD)
    rekey(old, new, OLD, NEW)
    for table in old.tables():
        for one, other in zip(old.files(table), new.files(table), strict=True):
            assert one.name == other.name
            assert ("event_date=" in str(one)) == ("event_date=" in str(other))
            first, second = pq.ParquetFile(one), pq.ParquetFile(other)
            assert first.schema_arrow == second.schema_arrow
            assert first.num_row_groups == second.num_row_groups


def test_a_lake_takes_only_its_own_key(tmp_path: Path) -> None:
    old, new = FolderTables(tmp_path / "old"), FolderTables(tmp_path / "new")
    fill(old, tmp_path, OLD)
    rekey(old, new, OLD, NEW)
    for tables, key in ((old, NEW), (new, OLD), (new, PseudonymKeys(NEW.keys[1:]))):
        with pytest.raises(UsageError, match=f"configured key is {key.key_id}"):
            fill(tables, tmp_path, key, "two.csv", "q")
    fill(new, tmp_path, NEW, "two.csv", "q")


def test_wrong_keys_and_places_are_refused(tmp_path: Path) -> None:
    old, new = FolderTables(tmp_path / "old"), FolderTables(tmp_path / "new")
    fill(old, tmp_path, OLD)
    for later in (OLD, PseudonymKeys((b"x" * 32, b"n" * 32)), NEW.followed_by(b"m" * 32)):
        with pytest.raises(UsageError, match="the present ones and one more"):
            rekey(old, new, OLD, later)
    with pytest.raises(UsageError, match="lake's pseudonyms are of key"):
        rekey(old, new, PseudonymKeys((b"x" * 32,)), PseudonymKeys((b"x" * 32, b"n" * 32)))
    new.stage("transactions", "another")
    new.publish("transactions", "another")
    with pytest.raises(UsageError, match="run 'another' of table 'transactions'"):
        rekey(old, new, OLD, NEW)


def test_a_lake_that_changes_meanwhile_is_no_lake_to_change_to(tmp_path: Path) -> None:
    old, new = FolderTables(tmp_path / "old"), FolderTables(tmp_path / "new")
    fill(old, tmp_path, OLD)

    def write_once(what: str) -> None:
        if what == "table transactions":
            fill(old, tmp_path, OLD, "two.csv", "q")

    with pytest.raises(UsageError, match="written to while it was copied"):
        rekey(old, new, OLD, NEW, progress=Progress(begin=write_once))


def test_only_living_claims_are_waited_for() -> None:
    ledger = MemoryLedger()
    file = SourceFile("/in.csv", "a" * 64)
    ledger.claim(file, "shop")
    with pytest.raises(UsageError, match=r"/in\.csv is being collected"):
        require_quiet(ledger)
    ledger.unclaim(file)
    require_quiet(ledger)


# The workspace's own key.


@pytest.fixture
def open_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Workspace]:
    """Return a function that opens the workspace as another process would, with ledger and log in memory."""
    ledger, log = MemoryLedger(), MemoryDecisions()
    monkeypatch.setattr(Workspace, "ledger", ledger)
    monkeypatch.setattr(Workspace, "decisions", log)
    return lambda: Workspace(Settings(workspace=tmp_path / "work"))


def filled(open_place: Callable[[], Workspace], tmp_path: Path) -> Workspace:
    place = open_place()
    fill(FolderTables(place.root / "lake"), tmp_path, place.pseudonym_key)
    return place


def test_a_workspace_changes_key_and_lake_together(open_place: Callable[[], Workspace], tmp_path: Path) -> None:
    first = filled(open_place, tmp_path)
    rotation = rotate_own_key(first, "ada", "yearly")
    place = open_place()
    assert place.pseudonym_key.extend(first.pseudonym_key)
    assert (rotation.earlier, rotation.later) == (first.pseudonym_key.key_id, place.pseudonym_key.key_id)
    fill(FolderTables(place.root / "lake"), tmp_path, place.pseudonym_key, "two.csv", "q")
    accounts = read(FolderTables(place.root / "lake"), "transactions")["account_id"].unique().drop_null()
    assert len(accounts) == 7  # those of the second file are the same people
    assert rotation.old_lake == str(place.root / f"lake.{rotation.earlier}")
    (told,) = place.decisions.entries()
    assert (told.kind, told.subject, told.actor) == ("rotate_key", rotation.later, "ada")
    assert (place.root / "pseudonym.key").stat().st_mode & 0o777 == 0o600


def test_nothing_is_collected_while_the_key_is_changed(open_place: Callable[[], Workspace], tmp_path: Path) -> None:
    filled(open_place, tmp_path).key_file.begin()
    with pytest.raises(UsageError, match="being changed"):
        _ = open_place().pseudonym_key


def test_an_empty_workspace_changes_its_key(open_place: Callable[[], Workspace]) -> None:
    before = open_place().pseudonym_key
    assert rotate_own_key(open_place(), "ada", "new").tables == ()
    assert open_place().pseudonym_key.extend(before)


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_it_ends_the_same(
    open_place: Callable[[], Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = filled(open_place, tmp_path)
    first = place.pseudonym_key
    for dies_at in itertools.count():
        before, calls = open_place().pseudonym_key, itertools.count()
        expected = content(FolderTables(place.root / "lake"))

        def counted(work: Callable[..., Any], calls: Any = calls, dies_at: int = dies_at) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **options: Any) -> Any:
                if next(calls) == dies_at:
                    raise KeyboardInterrupt
                return work(*arguments, **options)

            return wrapped

        with monkeypatch.context() as patch:
            for home, name in (
                (FolderTables, "publish"), (Path, "rename"), (KeyFile, "begin"), (KeyFile, "finish"),
                (key_rotation, "tell"), (key_rotation.shutil, "rmtree"),
            ):  # fmt: skip
                patch.setattr(home, name, counted(getattr(home, name)))
            try:
                rotate_own_key(open_place(), "ada", "yearly")
                break
            except KeyboardInterrupt:
                pass
        rotate_own_key(open_place(), "ada", "yearly")
        after = open_place().pseudonym_key
        assert after.extend(before)
        found = content(FolderTables(place.root / "lake"))
        assert {table: len(rows) for table, rows in found.items()} == {t: len(rows) for t, rows in expected.items()}
        accounts = [row["account_id"] for row in found["transactions"]]
        whose = pa.array([f"a{n}" for n in range(7)])
        assert set(accounts) - {None} == set(pseudonymise(whose, "account", after).to_pylist())
        assert [entry.subject for entry in place.decisions.entries()][-1] == after.key_id
        assert not (place.root / "lake.next").exists()
    assert dies_at > 10
    assert len(open_place().pseudonym_key.keys) == len(first.keys) + dies_at + 1


def test_a_key_from_outside_is_changed_with_its_lake(tmp_path: Path) -> None:
    place = Workspace(Settings(workspace=tmp_path, pseudonym_key="k" * 16))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--into and --new-key-secret"):
        rotate_own_key(place, "ada", "yearly")
