"""The command line as a user meets it: exit codes, messages, speed of --help."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from counterfoil import __version__
from counterfoil.cli import complain, main

HEAVY = ("torch", "pandas", "pyarrow", "duckdb", "sklearn", "mlflow", "sentence_transformers", "psycopg", "rich")


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    captured = capsys.readouterr()
    code = stop.value.code
    return (code if isinstance(code, int) else 0), captured.out, captured.err


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from counterfoil.cli import main\n"
        "try:\n    main(['--help'])\n"
        f"finally:\n    heavy = [m for m in {HEAVY!r} if m in sys.modules]\n    print('heavy', heavy)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "heavy []" in shown
    commands = "collect curate features train score evaluate thresholds backtest simulate demo mapping"
    commands += " status recollect forget rotate-key"
    for command in commands.split():
        assert command in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("collect",), "Missing argument"),
        (("nonsense",), "No such command"),
        (("demo", "--mapping", "ulb-credit-card"), "give both --data and --mapping"),
        (("backtest", __file__, "-m", "ulb-credit-card"), "give either --train-fraction"),
        (("backtest", __file__, "-m", "ulb-credit-card", "--test-from", "2013-09-02"), "--train-until is needed"),
        (("score", "--out", "scores.csv"), "scores.csv would be a Parquet file"),
        (("score", "--since", "2024-02-02", "--until", "2024-02-01", "-w", "."), "before it begins on 2024-02-02"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, _, error = _run(capsys, *arguments)
    assert code == 2
    assert message in error


def test_a_failure_is_exit_code_1_with_a_way_out_and_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    code, _, error = _run(capsys, "mapping", "check", "no-such-mapping", str(file))
    assert code == 1
    assert "no-such-mapping" in error
    assert "amazon-fraud-detector-transactions" in error
    assert "Traceback" not in error


def test_mapping_check_tells_all_missing_columns_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("payment_id,paid_at\n1,2026-01-01T00:00:00Z\n")
    code, out, _ = _run(capsys, "mapping", "check", "counterfoil-simulated", str(file))
    assert code == 1
    assert out.count("problem") >= 5
    assert "merchant_category" in out


def test_mapping_check_tells_where_the_header_stands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, mapping = tmp_path / "x.csv", tmp_path / "bank.toml"
    file.write_text("Card;1234 Ann\nBalance;0\nDay;Sum\n2026-03-01;1\n")
    mapping.write_text('[file]\ndelimiter = ";"\n[fields]\nevent_time = "Day"\namount = "Sum"\n')
    code, out, _ = _run(capsys, "mapping", "check", str(mapping), str(file))
    assert (code, "the header seems to be line 3" in " ".join(out.split())) == (1, True)


def test_mapping_check_shows_first_rows_and_coverage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    main_code, _, _ = _run(
        capsys, "simulate", "--out", str(file), "--accounts", "20", "--days", "30", "--merchants", "60"
    )
    assert main_code == 0
    code, out, _ = _run(capsys, "mapping", "check", "counterfoil-simulated", str(file), "--rows", "200")
    assert code == 0
    assert "200 of the first 200 rows accepted" in out
    assert "payments from 2026-01-01 " in out
    assert "repeated ids: 0 of 200 rows (0.0%)" in out
    labels = next(line for line in out.splitlines() if line.startswith("labels: "))
    assert sum(int(word) for word in labels.split() if word.isdigit()) == 200
    assert "coverage" in out
    assert "@example.com" not in out


def test_nothing_collected_says_what_to_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = _run(capsys, "features", "-m", "ulb-credit-card", "--workspace", str(tmp_path))
    assert code == 1
    assert "run 'counterfoil collect' first" in error


def test_curate_tells_what_the_source_ips_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from counterfoil.adapters.files.input_files import InputFiles
    from counterfoil.adapters.folder.tables import FolderTables
    from counterfoil.adapters.memory.ledger import MemoryLedger
    from counterfoil.domain.intake.mapping import parse_mapping
    from counterfoil.steps.intake.collect import collect

    file, listing = tmp_path / "in.csv", tmp_path / "list.txt"
    file.write_text("t,ip\n2024-01-01,198.51.100.23\n2024-01-02,nobody\n")
    listing.write_text("198.51.100.23\t3\nbroken\n")
    mapping = parse_mapping('[fields]\nevent_time = "t"\nsource_ip = "ip"\n', "shop")
    tables = FolderTables(tmp_path / "lake")
    collect([file], mapping, key=b"k" * 16, reader=InputFiles(), tables=tables, ledger=MemoryLedger())
    code, out, error = _run(capsys, "curate", "--blocklist", str(listing), "--workspace", str(tmp_path))
    assert code == 0
    for told in ("documentation", "unreadable", "2 source IPs of 2 payments", "1 on the blocklist (1 of its lines"):
        assert told in out
    assert "198.51" not in out + error


def test_a_bad_setting_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_BATCH_ROWS", "none")
    code, _, error = _run(capsys, "evaluate", "some-run")
    assert code == 2
    assert "COUNTERFOIL_BATCH_ROWS" in error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_in_one_line(capsys: pytest.CaptureFixture[str], number: int) -> None:
    complain(OSError(number, "Error writing bytes to file.\n Detail", "lake/part-0.parquet"))
    error = capsys.readouterr().err
    assert error.startswith("counterfoil: the disk is full (")
    assert "lake/part-0.parquet" in error
    assert "make room, then run this again" in error
    assert error.count("\n") == 1


def test_each_file_of_a_folder_has_its_own_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    folder, mapping = tmp_path / "out", tmp_path / "spark.toml"
    (folder / "_temporary").mkdir(parents=True)
    mapping.write_text('[fields]\ntransaction_id = "id"\nevent_time = "at"\namount = "amount"\n')
    header = "id,at,amount\n"
    contents = {
        "_SUCCESS": "", "part-0.csv": f"{header}k1,2026-03-01T10:00:00Z,1\n", "part-1.csv": "", "part-2.csv": header,
        "part-3.csv": f"{header}k2,2026-03-01T11:00:00Z,2\n", ".part-3.csv.crc": "x", "part-4.csv": "id,at\nk3,x\n",
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_text(content)
    arguments = ("collect", str(folder), "-m", str(mapping), "-w", str(tmp_path / "workspace"))
    code, out, error = _run(capsys, *arguments)
    assert code == 1
    assert "part-1.csv is empty: it has not even a header" in error
    assert "column 'amount' is not in the file" in error
    assert "Traceback" not in error
    assert "5 files: 3 collected, 2 failed; 2 rows" in out
    for name in ("_SUCCESS", "_temporary", ".part-3.csv.crc"):
        assert f"left out: {folder / name}" in out
    (folder / "part-1.csv").unlink()
    (folder / "part-4.csv").unlink()
    code, out, _ = _run(capsys, *arguments)
    assert (code, "3 files: 3 skipped; 0 rows" in out) == (0, True)


def test_a_folder_without_files_fails_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", dsn)
    (tmp_path / "none").mkdir()
    left = tmp_path / "_SUCCESS"
    left.touch()
    workspace = ("-m", "ulb-credit-card", "-w", str(tmp_path / "workspace"))
    code, _, error = _run(capsys, "collect", str(tmp_path / "none"), *workspace)
    assert (code, f"{tmp_path / 'none'} holds no payment file" in error) == (1, True)
    code, out, error = _run(capsys, "collect", str(left), *workspace)
    assert (code, "every file was left out by its name" in error) == (1, True)
    assert f"left out: {left} (begins with '_')" in out


def test_the_help_of_collect_names_every_kind_of_file(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "collect", "--help")
    told = " ".join(out.split())
    kinds = ("CSV", "JSON Lines", "Parquet", "ISO 20022 XML", "MT103", "MT940", "NACHA", "ISO 8583")
    for word in ("folders", *kinds, "gzip", "bzip2", "xz", "zstd", "zip", "mapping check", "exit code is 1"):
        assert word in told


@pytest.mark.parametrize("command", ["status", "curate", "score", "thresholds run", "release list"])
def test_a_mistyped_workspace_is_told_and_not_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    code, _, error = _run(capsys, *command.split(), "--workspace", str(tmp_path / "typo"))
    assert code == 1
    assert "there is no workspace in" in error
    assert not (tmp_path / "typo").exists()


def test_ctrl_c_ends_a_step_without_a_traceback(tmp_path: Path) -> None:
    """The engine is in the middle of a query when the signal comes."""
    program = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what starts the tests may ignore it
        "from counterfoil import cli\n"
        "from counterfoil.steps.lake.engine import engine\n"
        "@cli.app.command()\n"
        "def long() -> None:\n"
        "    with engine() as database:\n"
        "        print('begun', flush=True)\n"
        "        database.execute('SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b').fetchall()\n"
        "cli.main(['long'])\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as step:
        assert step.stdout is not None
        assert step.stdout.readline() == "begun\n"
        time.sleep(0.2)
        step.send_signal(signal.SIGINT)
        try:
            _, error = step.communicate(timeout=60)
        finally:
            step.kill()
    assert step.returncode == 130
    assert "Traceback" not in error
