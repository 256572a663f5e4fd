"""The command forget for accounts that are paid, as a user meets it, on a workspace with a database."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.cli import main

Capture = pytest.CaptureFixture[str]
WHY = ("--operator", "ada", "--reason", "asked for it")
FIELDS = '[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\naccount = "from"\nmerchant = "to"\n'
HEADER = "id,t,a,from,to\n"


@pytest.fixture(autouse=True)
def _settings(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "work"))
    (tmp_path / "accounts.toml").write_text(f'{FIELDS}[privacy]\nhashed = ["merchant"]\n')
    (tmp_path / "shops.toml").write_text(FIELDS)


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err


def collect(capsys: Capture, folder: Path, mapping: str, rows: str, name: str = "in.csv") -> None:
    (folder / name).write_text(HEADER + rows)
    code, _, told = run(capsys, "collect", str(folder / name), "-m", str(folder / f"{mapping}.toml"))
    assert code == 0, told


def transactions(folder: Path) -> dict[str, dict[str, Any]]:
    files = FolderTables(folder / "work" / "lake").files("transactions")
    return {row["transaction_id"]: row for file in files for row in pq.ParquetFile(file).read().to_pylist()}


@pytest.mark.slow
def test_an_account_that_is_only_paid_is_forgotten_and_its_payers_stay(capsys: Capture, tmp_path: Path) -> None:
    collect(
        capsys, tmp_path, "accounts", "p1,2024-01-01,1,Ann,Zed\np2,2024-01-02,2,Bob,Shop\np3,2024-01-03,3,Bob,Zed\n"
    )
    before = transactions(tmp_path)
    hidden = before["p1"]["merchant_id"]
    code, out, told = run(capsys, "forget", "Zed", *WHY)
    assert code == 0, told
    assert "transactions 2" in out
    assert "nothing names it any more" in out
    after = transactions(tmp_path)
    assert after == {**before, "p1": {**before["p1"], "merchant_id": None}, "p3": {**before["p3"], "merchant_id": None}}
    (kept,) = (tmp_path / "work" / "reports").glob("forget-*.json")
    report = json.loads(kept.read_text())
    assert (report["absent"], report["payments"], report["payee_rows"]) == (True, 0, {"transactions": 2})
    for file in FolderTables(tmp_path / "work" / "lake").files("transactions"):
        assert hidden.encode() not in file.read_bytes()
    # Its payers may go on paying it: their payments are kept, and its name is not.
    collect(capsys, tmp_path, "accounts", "p4,2024-01-04,4,Ann,Zed\np5,2024-01-05,5,Zed,Ann\n", "later.csv")
    assert transactions(tmp_path)["p4"]["merchant_id"] is None
    assert "p5" not in transactions(tmp_path)


@pytest.mark.slow
def test_an_account_that_pays_and_is_paid_is_gone_on_both_sides(capsys: Capture, tmp_path: Path) -> None:
    collect(capsys, tmp_path, "accounts", "p1,2024-01-01,1,Ann,Zed\np2,2024-01-02,2,Zed,Ann\np3,2024-01-03,3,Zed,Zed\n")
    code, _, told = run(capsys, "forget", "Zed", *WHY)
    assert code == 0, told
    assert list(transactions(tmp_path)) == ["p1"]
    assert transactions(tmp_path)["p1"]["merchant_id"] is None
    assert run(capsys, "forget", "Zed", *WHY)[0] == 0  # again, with nothing left to do


@pytest.mark.parametrize("payer", ["Ann", "Zed"])
def test_a_merchant_in_the_clear_is_never_told_to_be_gone(capsys: Capture, tmp_path: Path, payer: str) -> None:
    collect(capsys, tmp_path, "shops", f"p1,2024-01-01,1,Ann,Zed\np2,2024-01-02,2,{payer},Shop\n")
    before = transactions(tmp_path)
    code, out, told = run(capsys, "forget", "Zed", *WHY)
    assert code == 2
    assert "1 payments name a merchant by this very text, in the clear" in told
    assert "privacy.hashed" in told
    assert "--merchant-is-another" in told
    assert "Zed" not in out + told
    assert transactions(tmp_path) == before
    code, out, told = run(capsys, "forget", "Zed", "--merchant-is-another", *WHY)
    if payer == "Ann":
        assert code == 1
        assert "there is nothing of the account" in told
        return
    assert code == 0, told
    assert "payments to a merchant of that name" in out
    assert list(transactions(tmp_path)) == ["p1"]
    (kept,) = (tmp_path / "work" / "reports").glob("forget-*.json")
    assert json.loads(kept.read_text())["rows_of_a_merchant_of_that_name"] == 1


def test_all_spellings_of_an_iban_are_one_account_and_are_forgotten_together(capsys: Capture, tmp_path: Path) -> None:
    ibans = (
        "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "de89370400440532013000",
        "IBAN DE89370400440532013000", "DE88370400440532013000",
    )  # fmt: skip
    rows = "".join(f"x{number},2026-03-01,{number},{iban},Shop\n" for number, iban in enumerate(ibans, 1))
    collect(capsys, tmp_path, "accounts", rows)
    accounts = {name: row["account_id"] for name, row in transactions(tmp_path).items()}
    assert len(set(accounts.values())) == 2
    assert accounts["x5"] not in [accounts[f"x{number}"] for number in range(1, 5)]
    code, out, told = run(capsys, "forget", "De89 3704 0044 0532 0130 00", *WHY)
    assert code == 0, told
    assert "nothing names it any more" in out
    assert list(transactions(tmp_path)) == ["x5"]


def test_an_iban_that_none_is_written_as_cannot_be_forgotten(capsys: Capture, tmp_path: Path) -> None:
    collect(capsys, tmp_path, "accounts", "x1,2026-03-01,1,Ann,Shop\n")
    code, _, told = run(capsys, "forget", "DE00000000000000000066", *WHY)
    assert (code, "00, 01 or 99" in told) == (2, True), told


def test_the_account_of_one_bank_is_forgotten_and_that_of_the_other_stays(capsys: Capture, tmp_path: Path) -> None:
    banks = FIELDS.replace('"from"', '["bank", "from"]').replace('"to"', '["their_bank", "to"]')
    (tmp_path / "banks.toml").write_text(f'{banks}[privacy]\nhashed = ["merchant"]\n')
    (tmp_path / "in.csv").write_text(
        "id,t,a,bank,from,their_bank,to\n"
        "p1,2026-03-01,1,011,12345678,021,9\np2,2026-03-01,2,021,12345678,011,9\np3,2026-03-01,3,033,7,021,12345678\n"
    )
    assert run(capsys, "collect", str(tmp_path / "in.csv"), "-m", str(tmp_path / "banks.toml"))[0] == 0
    before = transactions(tmp_path)
    code, _, told = run(capsys, "forget", "12345678", *WHY)
    assert (code, "--bank" in told) == (1, True), told
    assert transactions(tmp_path) == before
    code, _, told = run(capsys, "forget", "12345678", "--bank", "021", *WHY)
    assert code == 0, told
    assert transactions(tmp_path) == {"p1": before["p1"], "p3": {**before["p3"], "merchant_id": None}}


def test_labels_that_came_later_are_told_and_are_forgotten_with_their_account(capsys: Capture, tmp_path: Path) -> None:
    collect(capsys, tmp_path, "shops", "p1,2024-01-01,1,Ann,Shop\np2,2024-01-02,2,Bob,Shop\n")
    (tmp_path / "feed.toml").write_text(
        '[fields]\ntransaction_id = "id"\nlabel = "l"\n[labels]\nfraud = ["1"]\ngood = ["0"]\n'
    )
    (tmp_path / "feed.csv").write_text("id,l\np1,1\np2,1\np9,1\n")
    (tmp_path / "later.csv").write_text("id,l\np2,0\n")
    feed = str(tmp_path / "feed.toml")
    code, out, told = run(capsys, "labels", str(tmp_path / "feed.csv"), "-m", feed, "--by", "the bank")
    assert code == 0, told
    assert "1 labels are of payments that were not collected" in out
    code, out, told = run(capsys, "labels", str(tmp_path / "later.csv"), "-m", feed)
    assert code == 0, told
    assert "1 labels contradict what was said before, and count from now on: p2: fraud, now good" in out
    assert "read before: nothing to do" in run(capsys, "labels", str(tmp_path / "later.csv"), "-m", feed)[1]
    assert said(tmp_path) == [("p1", 1, "the bank"), ("p2", 1, "the bank"), ("p9", 1, "the bank"), ("p2", 0, "feed")]
    code, out, told = run(capsys, "forget", "Bob", *WHY)
    assert code == 0, told
    assert "nothing names it any more" in out
    assert [row[:2] for row in said(tmp_path)] == [("p1", 1), ("p9", 1)]
    code, _, told = run(capsys, "rotate-key", *WHY)
    assert code == 0, told
    assert [row[:2] for row in said(tmp_path)] == [("p1", 1), ("p9", 1)]


def said(folder: Path) -> list[tuple[str, int, str]]:
    files = FolderTables(folder / "work" / "lake").files("labels")
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    rows.sort(key=lambda row: row["sequence"])
    return [(row["transaction_id"], row["label"], row["said_by"]) for row in rows]
