"""Alerts of one account are one case; what it turns out to be is the label of its payments."""

import csv
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.postgres.account_rows import PostgresAccountRows
from counterfoil.adapters.postgres.cases import PostgresCases
from counterfoil.adapters.postgres.scores import PostgresScores
from counterfoil.cli.show.cases import write_cases
from counterfoil.domain.policy.desk_words import Outcome
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, keyed_hash
from counterfoil.domain.tables import LABELS_TABLE
from counterfoil.errors import ConflictError, NotFoundError, StoreUnavailableError, UsageError
from counterfoil.ports.desk import CaseAlert
from counterfoil.ports.service import KeptScore
from counterfoil.steps.scoring.cases import close_case, take_cases

KEY = PseudonymKeys((b"a key of sixteen bytes",))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def alert(name: str, account: str | None, signal: float, amount: str | None) -> CaseAlert:
    return CaseAlert(name, account, NOW, "review", signal, amount, "EUR", "r1", "p1")


ALERTS = [
    alert("t1", "a", 0.5, "10.0000"), alert("t2", "a", 0.9, "100.0000"), alert("t3", "b", 0.9, "50.0000"),
    alert("t4", None, 0.1, None), alert("t5", None, 0.2, "1.0000"),
]  # fmt: skip


def test_alerts_of_an_account_are_one_case_by_expected_loss(dsn: str) -> None:
    cases = PostgresCases(dsn)
    assert take_cases(cases, ALERTS, KEY.key_id) == (4, 5)
    assert take_cases(cases, ALERTS, KEY.key_id) == (0, 0)
    queue = cases.queue(10)
    assert [(case.account_id, case.alerts, round(case.expected_loss, 2)) for case in queue] == [
        ("a", 2, 95.0), ("b", 1, 45.0), (None, 1, 0.2), (None, 1, 0.0),
    ]  # fmt: skip
    assert queue[0].due - queue[0].opened_at > timedelta(days=1.9)
    assert [one.transaction_id for one in cases.alerts(queue[0].case_id)] == ["t1", "t2"]


def test_an_outcome_is_the_label_of_each_payment(dsn: str, tmp_path: Path) -> None:
    cases, tables = PostgresCases(dsn), FolderTables(tmp_path / "lake")
    take_cases(cases, ALERTS, KEY.key_id)
    case = cases.queue(1)[0]
    cases.assign(case.case_id, "Ann", "Bob")
    cases.note(case.case_id, "Ann", "called the customer")
    done = close_case(cases, tables, case.case_id, Outcome.FRAUD, "Ann", "the customer knows neither")
    closed = done.case
    assert (closed.state, closed.outcome, closed.assignee, done.appended.new) == ("closed", "fraud", "Ann", 2)
    [path] = tables.files(LABELS_TABLE)
    rows = pq.read_table(path).to_pylist()
    assert [(row["transaction_id"], row["label"], row["said_by"]) for row in rows] == [
        ("t1", 1, "Ann"),
        ("t2", 1, "Ann"),
    ]
    assert [note.what for note in cases.notes(case.case_id)] == ["assigned", "note", "closed as fraud"]
    for again in (lambda: close_case(cases, tables, case.case_id, Outcome.GOOD, "Ann", "no"),
                  lambda: cases.assign(case.case_id, "Bob", "Bob")):  # fmt: skip
        with pytest.raises(UsageError, match="was closed as fraud"):
            again()
    assert len(tables.runs(LABELS_TABLE)) == 1
    # A later alert of the account is another case.
    assert take_cases(cases, [alert("t9", "a", 0.9, "1.0")], KEY.key_id) == (1, 1)


def test_of_two_who_close_at_once_one_is_told_how_the_other_did(dsn: str, tmp_path: Path) -> None:
    tables = FolderTables(tmp_path / "lake")
    take_cases(PostgresCases(dsn), ALERTS[:2], KEY.key_id)
    [case] = PostgresCases(dsn).queue(1)
    both, told = threading.Barrier(2), []

    def close(person: str, outcome: Outcome) -> None:
        both.wait(10)
        try:
            close_case(PostgresCases(dsn), tables, case.case_id, outcome, person, "looked at")
            told.append(outcome.value)
        except ConflictError as error:
            told.append(str(error))

    threads = [threading.Thread(target=close, args=one) for one in (("Ann", Outcome.FRAUD), ("Bob", Outcome.GOOD))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    outcome = PostgresCases(dsn).find(case.case_id).outcome
    assert sorted(words == outcome for words in told) == [False, True]
    assert any(f"was closed as {outcome}" in words for words in told)
    assert tables.runs(LABELS_TABLE) == [f"case-{case.case_id}-{outcome}"]  # the other said no label


def test_a_close_that_fails_leaves_the_case_open(dsn: str, tmp_path: Path) -> None:
    cases, tables = PostgresCases(dsn), FolderTables(tmp_path / "lake")
    take_cases(cases, ALERTS[:1], KEY.key_id)
    [case] = cases.queue(1)

    def gone(_name: str, _verdict: Verdict) -> bool:
        raise StoreUnavailableError("the store of scores is gone")

    with pytest.raises(StoreUnavailableError):
        close_case(cases, tables, case.case_id, Outcome.FRAUD, "Ann", "looked at", gone)
    assert cases.find(case.case_id).state == "open"
    assert close_case(cases, tables, case.case_id, Outcome.FRAUD, "Ann", "looked at").appended.new == 1


def scored(name: str, account: str, at: str, signal: float = 0.1, **shared: str) -> KeptScore:
    payment = {"transaction_id": name, "event_time": at, "currency": "EUR", **shared}
    return KeptScore(name, name, "r1", "allow", signal, "10.00", account, payment, {}, {})


def test_payments_that_share_something_about_that_time_are_related(dsn: str) -> None:
    cases, scores = PostgresCases(dsn), PostgresScores(dsn)
    noon = "2026-03-01T00:00:00+00:00"
    scores.append([
        scored("t1", "a", noon, merchant_id="shop", device_id="d", source_ip_id="ip"),
        scored("shop-alone", "b", "2026-03-01T23:59:59.500000+00:00", 0.8, merchant_id="shop"),
        scored("shop-and-device", "c", "2026-02-28T00:00:00+00:00", 0.2, merchant_id="shop", device_id="d"),
        scored("ip", "c", noon, 0.7, source_ip_id="ip"),
        scored("too-late", "b", "2026-03-02T00:00:02+00:00", 0.9, merchant_id="shop"),
        scored("too-early", "b", "2026-02-27T23:59:59+00:00", 0.9, merchant_id="shop"),
        scored("other", "b", noon, 0.9, merchant_id="another shop"), scored("nothing", "b", noon, 0.9),
    ])  # fmt: skip
    take_cases(cases, ALERTS[:1], KEY.key_id)
    found = cases.related(cases.queue(1)[0].case_id, timedelta(days=1), 10)
    assert [(one.transaction_id, one.shared) for one in found] == [
        ("shop-and-device", ("device", "merchant")), ("shop-alone", ("merchant",)), ("ip", ("source_ip",)),
    ]  # fmt: skip
    assert (found[0].account_id, found[0].event_time, found[0].amount) == ("c", NOW - timedelta(days=1), "10.0000")
    assert len(cases.related(cases.queue(1)[0].case_id, timedelta(days=1), 2)) == 2


def test_a_ring_is_one_case(dsn: str, tmp_path: Path) -> None:
    cases, tables = PostgresCases(dsn), FolderTables(tmp_path / "lake")
    take_cases(cases, [*ALERTS[:3], alert("t6", "c", 0.5, "2.0")], KEY.key_id)
    of = {case.account_id: case.case_id for case in cases.queue(9)}
    assert cases.link(of["b"], of["a"], "Ann", "one device").accounts == 2
    assert cases.link(of["c"], of["b"], "Ann", "one address").case_id == of["a"]  # the ring has one case that leads it
    for again in ((of["c"], of["a"]), (of["a"], of["b"])):
        with pytest.raises(ConflictError, match=f"case {of['a']} leads their ring"):
            cases.link(*again, "Ann", "again")
    [lead] = cases.queue(9)
    assert (lead.case_id, lead.accounts, lead.alerts, round(lead.expected_loss, 2)) == (of["a"], 3, 4, 141.0)
    assert [(one.transaction_id, one.account_id) for one in cases.alerts(of["a"])] == [
        ("t1", "a"), ("t2", "a"), ("t3", "b"), ("t6", "c"),
    ]  # fmt: skip
    assert cases.find(of["b"]).ring == of["a"]
    take_cases(cases, [alert("t7", "b", 0.5, "2.0")], KEY.key_id)  # it goes into the ring
    cases.unlink(of["c"], "Ann", "another address")
    assert [(case.account_id, case.alerts) for case in cases.queue(9)] == [("a", 4), ("c", 1)]
    for worked_on in (lambda: cases.assign(of["b"], "Bob", "Ann"),
                      lambda: close_case(cases, tables, of["b"], Outcome.GOOD, "Ann", "alone")):  # fmt: skip
        with pytest.raises(ConflictError, match=f"is in the ring of case {of['a']}"):
            worked_on()
    with pytest.raises(ConflictError, match="is in no ring"):
        cases.unlink(of["c"], "Ann", "again")
    assert close_case(cases, tables, of["a"], Outcome.FRAUD, "Ann", "a ring").appended.new == 4
    assert cases.find(of["b"]).outcome == "fraud"
    assert [case.account_id for case in cases.queue(9)] == ["c"]
    with pytest.raises(ConflictError, match="was closed as fraud"):
        cases.link(of["c"], of["a"], "Ann", "too late")


def test_forgetting_who_leads_a_ring_leaves_the_others_their_cases(dsn: str) -> None:
    cases = PostgresCases(dsn)
    take_cases(cases, ALERTS[:3], KEY.key_id)
    of = {case.account_id: case.case_id for case in cases.queue(9)}
    cases.link(of["b"], of["a"], "Ann", "one device")
    PostgresAccountRows(dsn).remove("a", ["t1", "t2"])
    [left] = cases.queue(9)
    assert (left.case_id, left.ring, left.alerts) == (of["b"], None, 1)


def test_who_is_unsure_says_no_label(dsn: str, tmp_path: Path) -> None:
    cases, tables = PostgresCases(dsn), FolderTables(tmp_path / "lake")
    take_cases(cases, ALERTS[:1], KEY.key_id)
    case = cases.queue(1)[0]
    with pytest.raises(UsageError, match="say who and why"):
        close_case(cases, tables, case.case_id, Outcome.UNSURE, "", "")
    close_case(cases, tables, case.case_id, Outcome.UNSURE, "Ann", "no answer")
    assert not tables.runs(LABELS_TABLE)
    assert cases.queue(5) == []
    with pytest.raises(NotFoundError, match="no case 'c0'"):
        cases.note("c0", "Ann", "?")


def test_a_spreadsheet_takes_no_cell_for_a_formula(dsn: str, tmp_path: Path) -> None:
    cases = PostgresCases(dsn)
    take_cases(cases, ALERTS[:1], KEY.key_id)
    cases.assign(cases.queue(1)[0].case_id, "=cmd|' /C calc'!A0", "Bob")
    write_cases(cases.queue(1), tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as file:
        [row] = list(csv.DictReader(file))
    assert row["assignee"] == "'=cmd|' /C calc'!A0"


def test_cases_follow_a_change_of_the_key_and_forget_an_account(dsn: str) -> None:
    cases, later = PostgresCases(dsn), KEY.followed_by(b"another key of sixteen")
    account = keyed_hash("A-1", "account", KEY.keys[0])
    take_cases(cases, [alert("t1", account, 0.5, "1.0"), alert("t4", None, 0.5, "1.0")], KEY.key_id)
    assert cases.rekey(later) == 2
    assert cases.rekey(later) == 0
    [renamed] = [case.account_id for case in cases.queue(5) if case.account_id]
    assert renamed not in (None, account)
    rows = PostgresAccountRows(dsn)
    assert (rows.own(str(renamed), [])["desk_case"], rows.payments(str(renamed))) == (1, {"t1"})
    rows.remove(str(renamed), ["t1"])
    assert [case.account_id for case in cases.queue(5)] == [None]
    assert rows.payments(str(renamed)) == frozenset()
