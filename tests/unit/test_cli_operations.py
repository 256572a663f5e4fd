"""The commands status and recollect as a user meets them, on a workspace with a database."""

import json
from pathlib import Path

import pytest

from counterfoil.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _settings(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "shop.toml"
    path.write_text('[fields]\ntransaction_id = "id"\nevent_time = "t"\n')
    return str(path)


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    return int(stop.value.code or 0), shown.out, shown.err


def test_a_file_is_collected_shown_and_collected_again(capsys: Capture, tmp_path: Path, mapping: str) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,t\na,2024-01-01\nb,never\n")
    assert run(capsys, "status")[1].startswith("no file was collected yet")
    assert run(capsys, "collect", str(file), "-m", mapping)[0] == 0
    code, out, _ = run(capsys, "status", "--json", str(tmp_path / "status.json"))
    assert code == 0
    for told in ("in.csv", "collected", "time_unreadable", "transactions", "1 done"):
        assert told in out
    found = json.loads((tmp_path / "status.json").read_text())
    assert (found["states"], found["rejected"]) == ({"done": 1}, {"time_unreadable": 1})

    file.write_text("id,t\na,2024-01-01\nb,2024-01-02\n")
    code, out, _ = run(capsys, "recollect", str(file), "-m", mapping, "--corrected")
    assert code == 0
    assert "run 'counterfoil curate'" in out
    run(capsys, "status", "--json", str(tmp_path / "status.json"))
    found = json.loads((tmp_path / "status.json").read_text())
    assert (found["states"], found["rejected"]) == ({"done": 1, "unclaimed": 1}, {})
    assert {table["table"]: table["rows"] for table in found["tables"]}["transactions"] == 2


def test_a_file_that_was_never_collected_cannot_be_recollected(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,t\n")
    code, _, error = run(capsys, "recollect", str(file))
    assert code == 1
    assert "in.csv was never collected" in error


def test_replay_is_a_hidden_name_of_recollect(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,t\n")
    assert "in.csv was never collected" in run(capsys, "replay", str(file))[2]
    shown = run(capsys, "--help")[1]
    assert "recollect" in shown
    assert " replay " not in shown


def test_without_a_mapping_that_ships_it_must_be_named(capsys: Capture, tmp_path: Path, mapping: str) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,t\na,2024-01-01\n")
    run(capsys, "collect", str(file), "-m", mapping)
    code, _, error = run(capsys, "recollect", str(file))
    assert code == 1
    assert "there is no mapping 'shop'" in error


@pytest.mark.slow
def test_a_file_in_other_hands_is_left_alone(capsys: Capture, tmp_path: Path, mapping: str, dsn: str) -> None:
    from counterfoil.adapters.files.input_files import InputFiles
    from counterfoil.adapters.postgres.ledger import PostgresLedger

    file = tmp_path / "in.csv"
    file.write_text("id,t\na,2024-01-01\n")
    other = PostgresLedger(dsn)
    assert other.claim(InputFiles().fingerprint(file), "shop")
    for command in ("recollect", "collect"):
        code, _, error = run(capsys, command, str(file), "-m", mapping)
        assert code == 1
        assert "another process is collecting" in error
    other.close()
    assert run(capsys, "collect", str(file), "-m", mapping)[0] == 0
