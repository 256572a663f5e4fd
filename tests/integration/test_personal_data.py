"""Personal data planted in the inputs is nowhere but where it may be, and an account that is forgotten is gone."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from planted_people import (
    EVERYBODY,
    MAPPING,
    card,
    email,
    found_in,
    name,
    payments,
    phone,
    spoiled,
    with_cards,
)

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.cli import main
from counterfoil.domain.periods import Period
from counterfoil.domain.training.training import TrainingOptions
from counterfoil.processing import collector
from counterfoil.processing.job import main as run_container
from counterfoil.progress import Progress
from counterfoil.steps.releases.releases import resolve
from counterfoil.steps.train import TrainingRequest, train
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

pytestmark = pytest.mark.xdist_group("personal_data")

RESTRICTED = ("addresses", "source_ips")
"""The tables that may hold raw addresses."""

Run = Callable[..., tuple[int, str]]


@dataclass
class Life:
    """A workspace on which every command ran, and all that was said."""

    place: Workspace
    folder: Path
    run: str = ""
    said: list[str] = field(default_factory=list)

    def again(self) -> Workspace:
        """The workspace as another process sees it."""
        return Workspace(self.place.settings)


def write_inputs(folder: Path) -> None:
    rows = payments()
    (folder / "people.toml").write_text(MAPPING)
    bad = pa.Table.from_pylist(spoiled(rows) + with_cards(rows), schema=rows.schema)
    pacsv.write_csv(pa.concat_tables([rows, bad]), folder / "payments.csv")
    with (folder / "payments.csv").open("a") as file:
        file.write(f"ragged,{name(1)},{email(1)}\n")
        file.write(f'"{name(2)}"' + ",x" * 40 + "\n")
    (folder / "broken.csv").write_text(f"{name(1)},{email(1)},{phone(1)}\n1,2,3\n")
    pq.write_table(pa.table({"payment_id": [[name(1)]], "paid_at": [[email(1)]]}), folder / "odd.parquet")


@pytest.fixture(scope="module")
def life(embedder: Any) -> Iterator[Life]:
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    found = Life(Workspace(Settings(workspace=folder / "work")), folder)
    write_inputs(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFOIL_WORKSPACE", str(folder / "work"))
        patch.setattr(Workspace, "embedder", embedder)
        yield found
    embedded_postgres.stop(folder / "work" / "postgres")
    shutil.rmtree(folder)


@pytest.fixture
def run(life: Life, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Run:
    """Return a function that runs a command and keeps what it said, on the terminal and in any log."""

    def run_one(*arguments: object) -> tuple[int, str]:
        caplog.set_level("DEBUG")
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, arguments)))
        shown = capfd.readouterr()
        text = f"{shown.out}\n{shown.err}\n{caplog.text}"
        life.said.append(text)
        assert "Traceback" not in text
        return int(stop.value.code or 0), text

    return run_one


def test_the_whole_way_is_gone(life: Life, run: Run) -> None:
    """Collect, curate, features, train, score, and every command that shows something."""
    mapping, file = str(life.folder / "people.toml"), str(life.folder / "payments.csv")
    run("mapping", "check", mapping, file)
    assert run("collect", file, "-m", mapping)[0] == 0
    assert run("collect", str(life.folder / "broken.csv"), "-m", mapping)[0] == 1
    assert run("curate")[0] == run("features", "-m", mapping)[0] == 0
    place = life.place
    few = TrainingOptions(good_references=(500,), odds=(0.25,), trees=16, rounds=10, shares=(0.2,), neighbours=(5,))
    request = TrainingRequest(Period(), options=few)
    release = train(
        place.stores, load_mapping(mapping), request, progress=Progress(begin=life.said.append),
    )  # fmt: skip
    assert run("score")[0] == 0
    [life.run] = place.tables.runs("scores")
    out = life.folder / "out"
    for command in (
        ("evaluate", life.run), ("thresholds", life.run, "--plot", out / "t.svg", "--json", out / "t.json"),
        ("references", life.run, "--json", out / "r.json"), ("status", "--json", out / "s.json"), ("release", "list"),
        ("release", "show", release.release_id), ("recollect", file, "-m", mapping),
        ("release", "promote", release.release_id, "--to", "champion", "--operator", "ada", "--reason", "best",
         "--without-gate"),
    ):  # fmt: skip
        assert run(*command)[0] == 0, command
    for wrong in (("replay-score", "nobody"), ("evaluate", "nothing"), ("release", "show", "r9")):
        assert run(*wrong)[0] == 1
    transaction = pq.read_table(place.tables.files("scores")[0]).column("transaction_id")[0].as_py()
    assert run("replay-score", transaction)[0] == 0


def test_every_kind_of_bad_row_was_refused(life: Life) -> None:
    (path,) = life.place.tables.files("rejected")
    rejected = pq.read_table(path)
    assert rejected.num_rows == len(spoiled(payments())) + 2
    reasons = set(rejected.column("reason").to_pylist())
    assert {"time_unreadable", "amount_unreadable", "number_unreadable", "ragged_row", "card_number_invalid"} <= reasons


def test_nothing_that_was_said_names_anybody(life: Life) -> None:
    assert len(life.said) > 15
    assert found_in("\n".join(life.said)) == []


def test_tables_hold_addresses_only_where_they_may(life: Life) -> None:
    tables = life.place.tables
    assert set(tables.tables()) >= {"transactions", "rejected", "evidence", "scores", "scored_evidence", *RESTRICTED}
    for table in tables.tables():
        rows = pa.concat_tables([pq.ParquetFile(path).read() for path in tables.files(table)])
        text = "\n".join(str(column.unique().to_pylist()) if not pa.types.is_nested(column.type)
                         else str(column.to_pylist()) for column in rows.columns)  # fmt: skip
        allowed = ("addresses",) if table in RESTRICTED else ()
        assert found_in(text, allowed) == [], table
        assert bool(found_in(text)) == (table in RESTRICTED)


def test_parquet_files_hold_nothing_in_their_statistics_and_names(life: Life) -> None:
    lake = life.place.root / "lake"
    for path in lake.rglob("*"):
        assert found_in(str(path.relative_to(lake))) == []
        if path.suffix == ".parquet" and not set(RESTRICTED) & set(path.parts):
            assert found_in(path.read_bytes().decode("latin-1")) == [], path


def test_the_database_holds_nothing(life: Life) -> None:
    """Ledger, references with their payload, decisions."""
    with psycopg.connect(life.place.dsn) as connection:
        names = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert {"input_file", "decision", "reference_base"} <= set(names)
        for table in names:
            rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # type: ignore[call-overload]
            assert found_in("\n".join(row[0] for row in rows)) == [], table


def test_releases_and_metrics_hold_nothing(life: Life) -> None:
    folder = life.place.root / "mlflow"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"release.json", "arrays.npz", "mlflow.db"} <= {path.name for path in files}
    for path in files:
        assert found_in(path.read_bytes().decode("latin-1")) == [], path
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                texts = [str(arrays[key].tolist()) for key in arrays.files if arrays[key].dtype.kind in "US"]
            assert found_in(" ".join(texts)) == []


def test_no_other_file_holds_anything(life: Life) -> None:
    """What commands wrote, and all of the workspace, down to the pages and the log of the database."""
    written = {path.name for path in (life.folder / "out").iterdir()}
    assert written == {"t.svg", "t.json", "r.json", "s.json"}
    for folder in (life.folder / "out", life.place.root):
        for path in folder.rglob("*"):
            if path.is_file() and not set(RESTRICTED) & set(path.parts):
                content = path.read_bytes().lower()
                assert [mark for mark in EVERYBODY if mark in content] == [], path


@pytest.mark.parametrize("broken", ["payments.csv", "broken.csv", "odd.parquet"])
def test_a_container_s_log_and_message_name_nobody(
    life: Life, broken: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "ml" / "processing" / "input" / "raw"
    raw.mkdir(parents=True)
    shutil.copyfile(life.folder / broken, raw / broken)
    monkeypatch.setenv("COUNTERFOIL_ML_ROOT", str(tmp_path / "ml"))
    mapping = life.folder / "people.toml"
    if broken == "odd.parquet":
        mapping = tmp_path / "parquet.toml"
        mapping.write_text(
            '[file]\nformat = "parquet"\n[fields]\ntransaction_id = "payment_id"\nevent_time = "paid_at"\n'
        )
    code = run_container(collector.app, ["collect", "--mapping", str(mapping), "--input-version", "v1"])
    shown = capfd.readouterr()
    assert (code == 0) == (broken == "payments.csv")
    assert shown.out + shown.err
    assert found_in(shown.out + shown.err) == []
    written = [path for path in (tmp_path / "ml").rglob("*") if path.is_file() and raw not in path.parents]
    for path in written:
        if "addresses" not in path.parts:
            assert found_in(path.read_bytes().decode("latin-1")) == [], path
    assert (tmp_path / "ml" / "output" / "message").exists() == bool(code)


# An account is forgotten, the key is changed, and what was forgotten stays so.


def somebody_referenced(life: Life) -> int:
    """A person whose payments are among the references."""
    place = life.place
    base = place.references.read_base(resolve(place.registry)).column("reference_id")
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in place.tables.files("transactions")])
    cited = rows.filter(pc.is_in(rows.column("transaction_id"), value_set=base.combine_chunks()))
    return int(cited.column("card_last4")[0].as_py()) - 1000


def ids_of(person: int) -> set[str]:
    rows = payments()
    mine = rows.filter(pc.equal(rows.column("account"), card(person)))
    return set(mine.column("payment_id").to_pylist())


def test_a_forgotten_account_is_gone_and_stays_so(life: Life, run: Run) -> None:
    person = somebody_referenced(life)
    ids, before = ids_of(person), resolve(life.place.registry)
    assert not gone(life.place, ids)
    carded = sum(row["account"] == card(person) for row in with_cards(payments()))
    code, out = run("forget", card(person), "--operator", "ada", "--reason", "asked for it")
    assert code == 0, out
    assert "nothing names it any more" in out
    assert "payments.csv" in out
    (kept,) = (life.place.root / "reports").glob("forget-*.json")
    report = json.loads(kept.read_text())
    assert (report["absent"], report["payments"]) == (True, len(ids) + carded)
    assert report["sources"] == [str(life.folder / "payments.csv")]
    assert {one for _, one in report["own_scores"]} >= ids
    assert len(report["own_scores"]) == len(ids) + carded
    assert report["touched_scores"]
    assert found_in(kept.read_text() + out) == []

    place = life.again()
    after = resolve(place.registry)
    assert report["releases"] == {before: after}
    assert place.references.releases() == [after]
    with psycopg.connect(place.dsn) as connection:
        [left] = connection.execute(
            "SELECT count(*) FROM reference WHERE reference_id = ANY(%s)", (list(ids),)
        ).fetchall()
    assert left == (0,)
    assert gone(place, ids)

    mapping = str(life.folder / "people.toml")
    code, out = run("recollect", str(life.folder / "payments.csv"), "-m", mapping)
    assert code == 0
    spoilt = sum(row["account"] == card(person) for row in spoiled(payments()))
    assert f"account_forgotten {len(ids) + carded + spoilt:,}" in out
    assert gone(life.again(), ids)
    assert run("curate")[0] == run("features", "-m", mapping)[0] == run("score")[0] == 0
    assert gone(life.again(), ids)
    assert [entry.kind for entry in life.again().decisions.entries()] == ["promote", "promote", "retire", "forget"]


def gone(place: Workspace, ids: set[str]) -> bool:
    """Whether no table but the one that has to names one of these payments."""
    tables = set(place.tables.tables()) - {"forgotten"}
    read = (pq.ParquetFile(path).read() for table in tables for path in place.tables.files(table))
    return not any(ids & texts_in(column) for rows in read for column in rows.columns)


def texts_in(column: pa.ChunkedArray) -> set[str]:
    """Return the texts of a column, down to those in lists and structs."""
    if pa.types.is_struct(column.type):
        return set().union(*map(texts_in, column.flatten()))
    if pa.types.is_list(column.type):
        return texts_in(pc.list_flatten(column))
    if pa.types.is_string(column.type):
        return set(column.unique().to_pylist())
    assert pa.types.is_primitive(column.type) or pa.types.is_decimal(column.type), column.type
    return set()


def test_texts_are_found_in_lists_and_structs() -> None:
    rows = [{"a": "1", "b": [{"c": "2", "d": ["3"], "e": 4.0}]}, {"a": None, "b": []}]
    assert {text for column in pa.Table.from_pylist(rows).columns for text in texts_in(column)} == {"1", "2", "3", None}


def test_a_new_key_knows_whom_the_old_one_forgot(life: Life, run: Run) -> None:
    assert run("rotate-key", "--operator", "ada", "--reason", "yearly")[0] == 0
    mapping, file = str(life.folder / "people.toml"), str(life.folder / "payments.csv")
    code, out = run("recollect", file, "-m", mapping)
    assert code == 0
    assert "account_forgotten" in out
    people = pa.concat_tables([pq.ParquetFile(path).read() for path in life.again().tables.files("transactions")])
    assert len(people.column("account_id").unique()) == len(set(payments().column("account").to_pylist())) - 1
    assert run("score")[0] == 0

    [person] = [int(last) - 1000 for last in people.column("card_last4").unique().to_pylist()[:1]]
    code, out = run("forget", card(person), "--operator", "ada", "--reason", "asked for it")
    assert code == 0
    assert "copies outside the lake" in out  # the lake of the old key
    assert gone(life.again(), ids_of(person))
    assert found_in("\n".join(life.said)) == []


def test_what_is_no_account_is_refused_without_being_repeated(life: Life, run: Run) -> None:
    for account, told in ((email(1), "there is nothing of the account"), (" ", "the account is blank")):
        code, out = run("forget", account, "--operator", "ada", "--reason", "asked for it")
        assert code in (1, 2)
        assert told in out
        assert account.strip() == "" or account not in out
    code, out = run("forget", "Ann", "--pseudonym", "--operator", "ada", "--reason", "asked for it")
    assert code == 2
    assert "32 hexadecimal digits" in out
    assert life.said


def test_a_backtest_leaves_nobody_s_name_behind(life: Life, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    place = life.folder / "backtest"
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(place / "work"))
    try:
        code, out = run(
            "backtest", life.folder / "payments.csv", "-m", life.folder / "people.toml", "--train-fraction", "0.7",
            "--label-delay-days", "0", "--scores", place / "out" / "s.parquet", "--json", place / "out" / "b.json",
        )  # fmt: skip
    finally:
        embedded_postgres.stop(place / "work" / "postgres")
    assert code == 0, out
    assert found_in(out) == []
    files = [path for path in place.rglob("*") if path.is_file()]
    assert {"s.parquet", "b.json", "release.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes().lower()
        assert [mark for mark in EVERYBODY if mark in content] == [], path
