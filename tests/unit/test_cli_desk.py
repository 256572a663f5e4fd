"""The commands policy and cases as users meet them: what they print, and how they refuse."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counterfoil.adapters.postgres.cases import PostgresCases
from counterfoil.cli import main
from counterfoil.domain.policy.fields import known_fields
from counterfoil.domain.policy.rules import read_rules
from counterfoil.ports.desk import CaseAlert

RULES = """
name = "cards"
[[rule]]
id = "velocity"
when = "account_count_1h > 10.0 && amount > 200.0"
effect = "review"
owner = "fraud desk"
reason = "the ring of May"
"""


@pytest.fixture
def here(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out + printed.err


def signed(name: str) -> tuple[str, ...]:
    return "--operator", name, "--reason", "agreed in the meeting"


@pytest.mark.usefixtures("here")
def test_a_rule_set_from_its_check_to_its_rollback(capsys: pytest.CaptureFixture[str]) -> None:
    version = read_rules(RULES, known_fields()).version
    assert run(capsys, "policy", "check", "rules.toml")[1].endswith(
        f"1 rules of 'cards' can be used; version {version}\n"
    )
    assert run(capsys, "policy", "propose", "rules.toml", *signed("Ann"))[0] == 0
    code, text = run(capsys, "policy", "approve", version, *signed("ANN"))
    assert (code, "a second person has to approve it" in text) == (2, True)
    assert "in force: no rule set" in run(capsys, "policy", "show")[1]
    assert run(capsys, "policy", "approve", version, *signed("Bob")) == (0, f"policy {version} is in force\n")
    assert f"in force: {version} (cards), proposed by Ann, approved by Bob" in run(capsys, "policy", "show")[1]
    assert run(capsys, "policy", "rollback", *signed("Cem")) == (0, "policy none is in force\n")
    assert run(capsys, "policy", "approve", version, *signed("Bob"))[0] == 1


def test_a_rule_set_that_cannot_be_used_tells_all(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "rules.toml").write_text(RULES.replace("amount >", "amounts >").replace('owner = "fraud desk"', ""))
    code, text = run(capsys, "policy", "propose", "rules.toml", *signed("Ann"))
    assert code == 2
    assert "rule velocity: line 1, column 28: 'amounts' is no evidence, field or function that rules know" in text
    assert "rule velocity: it needs owner, a text" in text
    assert "Traceback" not in text


def test_a_list_counts_what_it_took_and_what_it_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "stolen.csv").write_text("\ufeffvalue,entity\nA-1,account\nA-1,account\nx,colour\n", encoding="utf-8")
    add = ("policy", "add", "stolen", "stolen.csv", "--effect", "block", *signed("Ann"))
    told = "list stolen: 3 rows, 1 new, 0 there before, 1 repeated; 1 refused: unknown entity\n"
    assert run(capsys, *add) == (0, told)
    assert "0 new, 1 there before" in run(capsys, *add)[1]
    (here / "over.csv").write_text("value,until\nA-8,2020-01-31\nA-9,\n")
    over = ("policy", "add", "over", "over.csv", "--entity", "account", "--effect", "block", *signed("Ann"))
    told = "list over: 2 rows, 1 new, 0 there before, 0 repeated; 1 refused: until is past\n"
    assert run(capsys, *over) == (0, told)
    for name in (" ", "a\nb", "x" * 65):
        code, text = run(capsys, "policy", "add", name, *over[3:])
        assert (code, "1 to 64 signs" in text) == (2, True)
    assert run(capsys, "policy", "snooze", "account", "A-2", "--days", "3", *signed("Ann"))[0] == 0
    assert run(capsys, "policy", "snooze", "device", "A-2", *signed("Ann"))[0] == 2
    shown = run(capsys, "policy", "show")[1]
    assert "stolen" in shown
    assert "snoozed" in shown
    end = ("policy", "end", "stolen", "--entity", "account", "--value", "A-1", *signed("Ann"))
    assert run(capsys, *end) == (0, "list stolen: 1 entries ended\n")
    assert run(capsys, *end)[0] == 2
    assert run(capsys, "policy", "add", "stolen", "stolen.csv", "--effect", "block")[0] == 2


def test_a_case_from_the_queue_to_its_end(here: Path, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    alert = CaseAlert("t1", "a" * 32, datetime(2026, 3, 1, tzinfo=UTC), "review", 0.5, "10.0", "EUR", "r1", None)
    PostgresCases(dsn).take([alert], key_id="k", due_in=timedelta(days=1))
    [case] = [one.case_id for one in PostgresCases(dsn).queue(5)]
    assert case in run(capsys, "cases", "list", "--csv", "cases.csv")[1]
    assert (here / "cases.csv").read_text().startswith("case_id,account_id,state,")
    assert run(capsys, "cases", "assign", case, "--to", "Ann", "--operator", "Bob")[0] == 0
    assert run(capsys, "cases", "note", case, "called the customer", "--operator", "Ann")[0] == 0
    assert "called the customer" in run(capsys, "cases", "show", case)[1]
    assert run(capsys, "cases", "close", case, "--outcome", "fraud")[0] == 2
    closed = run(capsys, "cases", "close", case, "--outcome", "fraud", *signed("Ann"))
    assert closed == (0, f"case {case} is closed as fraud: 1 labels and 0 words of feedback on 1 alerts\n")
    assert run(capsys, "cases", "close", case, "--outcome", "good", *signed("Ann"))[0] == 2
    assert run(capsys, "cases", "show", "c0")[0] == 1
    assert run(capsys, "cases", "take", "--run", "nothing")[0] == 1
