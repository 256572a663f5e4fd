"""What options take: malformed and impossible values are exit code 2, unknown names 1, each in one message."""

from pathlib import Path

import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.cli import main
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.steps.intake.collect import collect

SHOP = '[fields]\nevent_time = "t"\namount = "sum"\n'
OTHER = """label = "fraud"
[labels]
fraud = ["1"]
good = ["0"]
[evidence.numeric]
where = "where"
"""
REVERSED = ("--since", "2024-02-02", "--until", "2024-02-01")
FROM_TO = ("--from", "2024-02-02", "--to", "2024-02-01")
TRAINING = ["pipeline", "run", "training", "-p", "RawUri=.", "-p", "Mapping=m"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return (stop.value.code if isinstance(stop.value.code, int) else 0), captured.out, captured.err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with payments of three days of 2024, and nothing else."""
    root = tmp_path_factory.mktemp("values")
    file = root / "in.csv"
    file.write_text("t,sum\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    (root / "shop.toml").write_text(SHOP)
    collect(
        [file], parse_mapping(SHOP, "shop"), key=b"k" * 16, reader=InputFiles(), tables=FolderTables(root / "lake"),
        ledger=MemoryLedger(),
    )  # fmt: skip
    return root


@pytest.mark.parametrize(
    "arguments",
    [
        *[(command, "-m", "iso20022", *REVERSED) for command in ("features", "train")],
        ("score", *REVERSED),
        ("report", *FROM_TO),
        ("query", "fraud_by_day", *FROM_TO),
        *[(command, "-m", "iso20022", "--since", "2024-02-30") for command in ("features", "train")],
        ("score", "--since", "yesterday"),
        ("query", "fraud_by_day", "--known-until", "2024-1"),
        ("train", "-m", "iso20022", "--since", "2024-02-02", "--known-until", "2024-02-02"),
        *[("features", "-m", "iso20022", "--label-delay-days", days) for days in ("-1", "inf", "1e300", "nan", "week")],
        ("curate", "--label-delay-days", "inf"),
        ("curate", "--blocklist", "no-such-file"),
        ("evaluate", "run", "--alerts-per-day", "0"),
        ("thresholds", "run", "--alerts-per-day", "0"),
        ("thresholds", "run", "--recovered", "1.1"),
        ("thresholds", "run", "--cost-per-alert", "inf"),
        ("thresholds", "run", "--plot", "plot.png"),
        *[("query", "fraud_by_day", "--review", share) for share in ("-0.1", "1.1", "nan")],
        ("query", "fraud_by_day", "--top", "0"),
        ("report", "--from", "2024-01-01", "--to", "2024-01-02", "--review", "2"),
        *[("backtest", __file__, "-m", "iso20022", "--train-fraction", share) for share in ("0", "1", "1.5", "nan")],
        ("backtest", __file__, "-m", "iso20022", "--test-from", "2024-01-01", "--train-until", "2024-01-01"),
        ("simulate", "--out", "x.csv", "--seed", "-1"),
        ("simulate", "--out", "x.csv", "--days", "29"),
        ("mapping", "check", "iso20022", __file__, "--rows", "0"),
        ("collect", "no-such-file", "-m", "iso20022"),
        ("release", "promote", "champion", "--to", "king"),
        ("release", "rollback"),
        ("serve", "--port", "99999"),
        (*TRAINING, "-p", "TrainUntil=2026-13-01", "-p", "EvaluateFrom=2026-02-01"),
        (*TRAINING, "-p", "TrainUntil=2026-02-01", "-p", "EvaluateFrom=2026-01-01"),
        (*TRAINING, "-p", "TrainUntil=2026-02-01", "-p", "EvaluateFrom=2026-03-01", "-p", "MinAuc=7"),
        (*TRAINING, "-p", "Surprise=1"),
    ],
    ids=" ".join,
)
def test_a_value_that_cannot_be_meant_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], place: Path, dsn: str, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    if arguments[0] not in ("simulate", "mapping"):
        arguments = (*arguments, "--workspace", str(place))
    code, _, error = run(capsys, *arguments)
    assert code == 2, error
    assert error


@pytest.mark.parametrize(
    "arguments",
    [
        *[(command, "-m", "no-such-name") for command in ("features", "train")],
        ("evaluate", "no-such-name"),
        ("thresholds", "no-such-name"),
        ("query", "no-such-name"),
        ("backtest", __file__, "-m", "no-such-name", "--train-fraction", "0.5"),
        ("collect", __file__, "-m", "no-such-name"),
        ("labels", __file__, "-m", "no-such-name"),
        ("mapping", "check", "no-such-name", __file__),
        ("pipeline", "run", "no-such-name"),
    ],
    ids=" ".join,
)
def test_an_unknown_name_is_exit_code_1_and_is_told(
    capsys: pytest.CaptureFixture[str], place: Path, dsn: str, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    if arguments[0] != "mapping":
        arguments = (*arguments, "--workspace", str(place))
    code, _, error = run(capsys, *arguments)
    assert code == 1, error
    assert "no-such-name" in error


def test_a_span_without_payments_is_told_with_the_days_that_there_are(
    capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    workspace, mapping = ("-w", str(place)), ("-m", str(place / "shop.toml"))
    empty = ("--since", "2025-01-01", "--until", "2025-12-31")
    for command in (("features", *mapping, *empty), ("report", "--from", "2025-01-01", "--to", "2025-12-31")):
        code, _, error = run(capsys, *command, *workspace)
        assert (code, "they are of 2024-01-01 to 2024-01-03" in error) == (1, True), error
    assert not (place / "lake" / "evidence" / ".manifest.json").exists()  # nor is what was there replaced by nothing
    code, out, _ = run(capsys, "features", *mapping, "--since", "2024-01-02", "--until", "9999-12-31", *workspace)
    assert (code, "2 payments with evidence" in out) == (0, True)
    for command in (("train", *mapping, *empty), ("score", *empty)):
        code, _, error = run(capsys, *command, *workspace)
        assert (code, "they are of 2024-01-02 to 2024-01-03" in error) == (1, True), error
    code, out, _ = run(capsys, "query", "fraud_by_day", "--from", "2025-01-01", *workspace)
    assert (code, "no rows" in out) == (0, True)


def test_evidence_of_another_mapping_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SHOP + OTHER)
    file = tmp_path / "more.csv"
    file.write_text("t,sum,fraud,where\n" + "".join(f"2024-01-0{1 + n % 9},{n},{n % 2},5\n" for n in range(20)))
    tables = FolderTables(tmp_path / "lake")
    mapping = parse_mapping(other.read_text(), "other")
    collect([file], mapping, key=b"k" * 16, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    assert run(capsys, "features", "-m", str(place / "shop.toml"), "-w", str(tmp_path))[0] == 0
    code, _, error = run(capsys, "train", "-m", str(other), "-w", str(tmp_path))
    told = error.splitlines()[-1]
    assert code == 1
    assert "the evidence has no where, which mapping other declares: it was built with another mapping" in told
