"""The commands forget and rotate-key, and what the analyst's desk keeps: cases, notes, list entries, snoozes."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from counterfoil.adapters.folder.key import KeyFile
from counterfoil.adapters.postgres.cases import PostgresCases
from counterfoil.adapters.postgres.policy_lists import PostgresLists
from counterfoil.cli import main
from counterfoil.domain.policy.lists import Entity, ListEffect, NewEntry
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, pseudonymise
from counterfoil.ports.desk import CaseAlert
from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.cases import take_cases
from counterfoil.workspace import rotate_key as key_rotation
from counterfoil.workspace.rotate_key import rotate_own_key
from counterfoil.workspace.wiring import Workspace, open_workspace

WHY = ("--operator", "ada", "--reason", "asked for it")
DESK = ("policy_entry", "desk_case", "desk_case_alert", "desk_case_note")
NOW = datetime(2026, 3, 1, tzinfo=UTC)

Run = Callable[..., str]


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command on an empty workspace, which has to succeed."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "work"))

    def run_one(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, arguments)))
        printed = capsys.readouterr()
        assert not stop.value.code, printed.err
        return printed.out

    return run_one


def pseudonym(key: PseudonymKeys, raw: str) -> str:
    [name] = pseudonymise(pa.array([raw]), "account", key).to_pylist()
    return str(name)


def alert(name: str, account: str | None) -> CaseAlert:
    return CaseAlert(name, account, NOW, "review", 0.9, "10.00", "EUR", "r1", "p1")


def fill(run: Run, folder: Path) -> Workspace:
    """Collect payments of Ann and Bob, block and snooze both, and open their cases."""
    (folder / "in.csv").write_text("id,t,who\npay-1,2026-03-01,Ann\npay-2,2026-03-01,Bob\npay-3,2026-03-01,Ann\n")
    (folder / "shop.toml").write_text('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\n')
    run("collect", folder / "in.csv", "-m", folder / "shop.toml")
    (folder / "stolen.txt").write_text("Ann\nBob\n")
    run("policy", "add", "stolen", folder / "stolen.txt", "--effect", "block", "--entity", "account", *WHY)
    for who in ("Ann", "Bob"):
        run("policy", "snooze", "account", who, "--days", "3", *WHY)
    place = open_workspace()
    key = place.pseudonym_key
    alerts = [alert("pay-1", pseudonym(key, "Ann")), alert("pay-2", pseudonym(key, "Bob")), alert("pay-3", None)]
    assert take_cases(place.cases, alerts, key.key_id) == (3, 3)
    return place


def case_of(place: Workspace, account: str | None) -> str:
    [found] = [case.case_id for case in place.cases.queue(9) if case.account_id == account]
    return found


def texts(dsn: str, tables: tuple[str, ...] = DESK) -> dict[str, list[str]]:
    """All that the columns of some tables hold, as text, by table and column."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(dsn) as connection:
        for table in tables:
            query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            for (column,) in connection.execute(query, (table,)).fetchall():
                select = sql.SQL("SELECT {}::text FROM {}").format(sql.Identifier(column), sql.Identifier(table))
                found[f"{table}.{column}"] = [text for (text,) in connection.execute(select) if text is not None]
    return found


def naming(found: dict[str, list[str]], *marks: str) -> set[str]:
    return {column for column, values in found.items() for text in values if any(mark in text for mark in marks)}


def all_tables(dsn: str) -> tuple[str, ...]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return tuple(row[0] for row in rows)


def test_the_desk_forgets_an_account_with_the_lake(run: Run, dsn: str, tmp_path: Path) -> None:
    place = fill(run, tmp_path)
    ann, bob = (pseudonym(place.pseudonym_key, who) for who in ("Ann", "Bob"))
    run("cases", "note", case_of(place, bob), f"paid by {ann}, says the bank", "--operator", "Cem")
    run("cases", "note", case_of(place, ann), "called her", "--operator", "Cem")
    run("cases", "assign", case_of(place, ann), "--to", "Cem", "--operator", "Cem")
    (tmp_path / "ring.csv").write_text(f"value,reason\nShop,sells to {ann}\n")
    run("policy", "add", "ring", tmp_path / "ring.csv", "--effect", "watch", "--entity", "merchant", *WHY)
    before = texts(dsn)
    assert naming(before, ann) == {
        "policy_entry.value", "policy_entry.reason", "desk_case.account_id", "desk_case_note.words"
    }  # fmt: skip
    assert naming(before, "pay-1", "pay-3") == {"desk_case_alert.transaction_id"}

    out = run("forget", "Ann", *WHY)

    assert "nothing names it any more" in out
    left = texts(dsn)
    assert naming(left, ann, "pay-1", "pay-3") == set()
    assert naming(texts(dsn, all_tables(dsn)), ann, "pay-1", "pay-3") == {"decision.subject"}
    assert [case.account_id for case in place.cases.queue(9, closed=True)] == [bob]  # pay-3's, without account, is gone
    assert [note.words for note in place.cases.notes(case_of(place, bob))] == [
        "paid by [a forgotten account], says the bank"
    ]
    assert left["policy_entry.reason"].count("sells to [a forgotten account]") == 1
    assert [value for value in left["policy_entry.value"] if value != "Shop"] == [bob, bob]
    [told] = place.decisions.entries("forget")
    assert told.details["rows"] == {"transactions": 2, "policy_entry": 2, "desk_case": 1, "desk_case_alert": 2}
    assert told.details["payee_rows"] == {"policy_entry": 1, "desk_case_note": 1}
    assert ann not in str(told.details)
    run("forget", "Ann", *WHY)
    assert len(place.decisions.entries("forget")) == 1


def test_an_account_that_only_the_desk_knows_is_forgotten(run: Run, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    run("policy", "snooze", "account", "Zoe", "--days", "3", *WHY)
    zoe = pseudonym(open_workspace().pseudonym_key, "Zoe")
    assert naming(texts(dsn), zoe) == {"policy_entry.value"}
    assert "nothing names it any more" in run("forget", "Zoe", *WHY)
    assert naming(texts(dsn), zoe) == set()


def decision(place: Workspace, account: str) -> str:
    policy = place.policies.current()
    assert policy is not None
    return policy.decide({"account_id": account}, "review", datetime.now(UTC))[0]


def desk(place: Workspace) -> dict[str, Any]:
    """What the desk says of Ann and Bob, by their names under the workspace's key."""
    key = place.pseudonym_key
    names = {pseudonym(key, who): who for who in ("Ann", "Bob")}
    cases = {names.get(case.account_id or ""): case.case_id for case in place.cases.queue(9)}
    entries = [
        (row["list"], row["effect"], names[row["value"]], row["until"]) for row in place.lists.entries().to_pylist()
    ]
    decisions = {who: decision(place, name) for name, who in names.items()}
    alerts = {who: [one.transaction_id for one in place.cases.alerts(case)] for who, case in cases.items()}
    return {"cases": cases, "entries": sorted(entries), "decisions": decisions, "alerts": alerts}


def test_killed_at_any_moment_and_run_again_the_desk_has_the_next_key(
    run: Run, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fill(run, tmp_path)
    run("policy", "end", "stolen", "--entity", "account", "--value", "Bob", *WHY)
    expected = desk(place)
    assert expected["decisions"] == {"Ann": "block", "Bob": "allow"}
    for dies_at in itertools.count():
        before, calls = open_workspace(), itertools.count()
        earlier = [pseudonym(before.pseudonym_key, who) for who in ("Ann", "Bob")]

        def counted(work: Callable[..., Any], calls: Any = calls, dies_at: int = dies_at) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **options: Any) -> Any:
                if next(calls) == dies_at:
                    raise KeyboardInterrupt
                return work(*arguments, **options)

            return wrapped

        with monkeypatch.context() as patch:
            for home, name in (
                (KeyFile, "finish"), (PostgresLists, "rekey"), (PostgresCases, "rekey"), (key_rotation, "tell"),
            ):  # fmt: skip
                patch.setattr(home, name, counted(getattr(home, name)))
            try:
                rotate_own_key(open_workspace(), "ada", "yearly")
                break
            except KeyboardInterrupt:
                pass
        run("rotate-key", *WHY)
        assert naming(texts(dsn), *earlier, before.pseudonym_key.key_id) == set()
        after = open_workspace()
        assert after.pseudonym_key.extend(before.pseudonym_key)
        assert desk(after) == expected
        # The lake and the desk have the same names.
        [rows] = [pq.ParquetFile(path).read().to_pylist() for path in after.tables.files("transactions")]
        assert {row["account_id"] for row in rows} >= {case.account_id for case in after.cases.queue(9)} - {None}
    assert dies_at == 4
    assert desk(open_workspace()) == expected


def test_who_was_entered_under_the_next_key_meanwhile_is_one_with_the_earlier(dsn: str) -> None:
    """A lake in S3 is copied first: what is entered with the new key may come before the desk is hashed again."""
    earlier = PseudonymKeys((b"a key of sixteen bytes",))
    later = earlier.followed_by(b"another key of sixteen")
    lists, cases = PostgresLists(dsn), PostgresCases(dsn)
    for name, key, day in (("t1", earlier, None), ("t2", later, datetime(2099, 1, 1, tzinfo=UTC))):
        entry = NewEntry(Entity.ACCOUNT, pseudonym(key, "Ann"), day, "stolen")
        assert lists.add("stolen", ListEffect.BLOCK, [entry], key_id=key.key_id, operator="Ann") == 1
        assert take_cases(cases, [alert(name, pseudonym(key, "Ann"))], key.key_id) == (1, 1)
    first, second = (case.case_id for case in sorted(cases.queue(9), key=lambda case: case.opened_at))
    cases.note(second, "Cem", "called her")
    assert (lists.rekey(later), cases.rekey(later)) == (1, 1)
    assert (lists.rekey(later), cases.rekey(later)) == (0, 0)
    [summary] = lists.summaries()
    assert (summary.active, summary.over, summary.next_end) == (1, 1, datetime(2099, 1, 1, tzinfo=UTC))
    [case] = cases.queue(9)
    assert (case.case_id, case.account_id, case.alerts) == (first, pseudonym(later, "Ann"), 2)
    assert [note.words for note in cases.notes(first)] == ["called her"]


def test_an_alert_of_the_earlier_key_comes_into_the_case_of_its_account(run: Run, tmp_path: Path) -> None:
    place = fill(run, tmp_path)
    payment = {"event_time": "2026-03-01T00:00:00Z", "currency": "EUR"}

    def score(name: str) -> KeptScore:
        account = pseudonym(open_workspace().pseudonym_key, "Ann")
        return KeptScore(name, "h", "r1", "review", 0.9, "10.00", account, payment, {}, {"precedents": []})

    place.scores.append([score("late-1")])
    run("rotate-key", *WHY)
    place.scores.append([score("late-2")])
    assert run("cases", "take") == "2 new alerts, 0 cases opened\n"
    case = case_of(place, pseudonym(open_workspace().pseudonym_key, "Ann"))
    assert {one.transaction_id for one in place.cases.alerts(case)} == {"pay-1", "late-1", "late-2"}
