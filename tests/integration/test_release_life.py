"""The life of two releases: trained on two windows, promoted, rolled back, retired, and their scores replayed."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.cli import main
from counterfoil.cli.show import releases as console_releases
from counterfoil.domain.periods import Period
from counterfoil.domain.tables import SCORE_TABLE
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.errors import MissingEvidenceError, NotFoundError, ReleaseMismatchError, UsageError
from counterfoil.ports.stores import Stores
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.evaluate_run import evaluate_run
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import promote, resolve, retire, rollback
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.replay_score import Precedents, Replayer, replay_score
from counterfoil.steps.scoring.score import detect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, train
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

pytestmark = pytest.mark.xdist_group("release_life")

START = datetime(2024, 1, 1, tzinfo=UTC)
CUTS = (START + timedelta(days=34), START + timedelta(days=42))
TEST = Period(since=CUTS[1])
MAPPING = load_mapping("counterfoil-simulated")
FEW_TREES = TrainingOptions(trees=16, rounds=20)


@dataclass(frozen=True)
class Life:
    """A workspace with two releases and a run of scores of each."""

    workspace: Workspace
    releases: tuple[str, str]
    runs: tuple[str, str]
    embedder: Any

    def again(self) -> Workspace:
        """The same workspace as another process sees it."""
        return Workspace(self.workspace.settings)

    def replayer(self) -> Replayer:
        place = self.workspace
        return Replayer(Stores(place.tables, place.references_for_scoring, place.registry, self.embedder))

    def scores(self, run: str) -> pa.Table:
        return pa.concat_tables([pq.read_table(path) for path in self.workspace.tables.files(SCORE_TABLE, run)])


@pytest.fixture(scope="module")
def life(embedder: Any) -> Iterator[Life]:
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    place = Workspace(Settings(workspace=folder))
    payments = folder / "payments.csv"
    payments.write_bytes(as_csv(simulate(accounts=60, merchants=60, days=56, start=date(2024, 1, 1), seed=3)))
    collect([payments], MAPPING, key=place.pseudonym_key, reader=place.reader, tables=place.tables, ledger=place.ledger)
    build_features(place.tables, MAPPING, label_delay=timedelta(days=7))
    releases, runs = zip(*(_trained(place, cut, embedder) for cut in CUTS), strict=True)
    yield Life(place, releases, runs, embedder)
    embedded_postgres.stop(folder / "postgres")
    shutil.rmtree(folder)


def _trained(place: Workspace, cut: datetime, embedder: Any) -> tuple[str, str]:
    """Train on the payments until a moment, let the gate pass, score the test window."""
    request = TrainingRequest(Period(until=cut), known_until=cut, options=FEW_TREES)
    release = train(Stores(place.tables, place.references, place.registry, embedder), MAPPING, request)
    place.registry.tag(release.release_id, "gate", "passed")
    detector = Detector.load(release, place.references_for_scoring, embedder)
    return release.release_id, detect(place.tables, detector, period=TEST, compute=Compute(batch_rows=700))


@pytest.fixture
def run_cli(
    life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command in the workspace and returns exit code and what it said."""
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(life.workspace.root))
    monkeypatch.setattr(console_releases, "out", Console(width=160, highlight=False))
    monkeypatch.setattr(Workspace, "embedder", life.embedder)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return int(stop.value.code or 0), shown.out + shown.err

    return run


def test_releases_change_places_and_the_log_tells_why(life: Life) -> None:
    place, (first, second) = life.workspace, life.releases
    assert resolve(place.registry) == second
    for release in life.releases:
        promote(place.registry, place.decisions, release, "challenger", reason="passed the gate")
        promote(place.registry, place.decisions, "challenger", "champion", "ada", f"newer: {release}")
    again = life.again()
    assert resolve(again.registry) == resolve(again.registry, "champion") == second
    with pytest.raises(NotFoundError, match="no release is challenger"):
        resolve(again.registry, "challenger")

    back = rollback(again.registry, again.decisions, "bob", "too many alerts")
    assert (back.release_id, back.previous) == (first, second)
    again = life.again()
    assert resolve(again.registry) == first
    with pytest.raises(NotFoundError, match="no earlier champion"):
        rollback(again.registry, again.decisions, "bob", "still")
    told = [(entry.kind, entry.subject, entry.actor) for entry in again.decisions.entries()]
    assert told == [
        ("promote", first, "ci"), ("promote", first, "ada"), ("promote", second, "ci"), ("promote", second, "ada"),
        ("rollback", first, "bob"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1], ids=["first window", "second window"])
def test_stored_scores_are_replayed(life: Life, number: int) -> None:
    run, release = life.runs[number], life.releases[number]
    by_signal = life.scores(run).sort_by([("anomaly_signal", "descending")]).column("transaction_id").to_pylist()
    chosen = np.random.default_rng(number).choice(by_signal[5:], 15, replace=False)
    replayer = life.replayer()
    for transaction in (*by_signal[:5], *chosen):
        found = replayer.replay(str(transaction), run)
        assert found.ok, (transaction, found.difference, found.precedents)
        assert found.stored["release_id"] == release
        assert found.replayed["transaction_id"] == transaction


def test_without_a_run_the_newest_score_is_replayed(life: Life) -> None:
    transaction = life.scores(life.runs[0]).column("transaction_id")[0].as_py()
    found = life.replayer().replay(transaction)
    assert (found.run, found.stored["release_id"]) == (life.runs[1], life.releases[1])


def test_the_thresholds_of_a_run_are_those_of_its_release(
    life: Life, run_cli: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    run, scores = life.runs[0], life.scores(life.runs[0])
    own = load_release(life.workspace.registry, life.releases[0]).thresholds
    code, out = run_cli("thresholds", run, "--alerts-per-day", "3", "--json", str(tmp_path / "figures.json"))
    assert code == 0, out
    figures = json.loads((tmp_path / "figures.json").read_text())
    for name, threshold in (("review", own.review), ("block", own.block)):
        assert (figures[name] and figures[name]["threshold"]) == threshold
    frauds = evaluate_run(life.workspace.tables, run).evaluation.frauds
    assert (figures["payments"], figures["frauds"], figures["currency"]) == (scores.num_rows, frauds, "EUR")
    (budget,) = figures["by_budget"]
    alerts = (scores.column("anomaly_signal").to_numpy() >= budget["threshold"]).sum()
    assert 0 < budget["alerts_per_day"] == alerts / figures["days"] <= 3


def _changed(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), table.schema.field(column), values)


def _publish(life: Life, run: str, scores: pa.Table, evidence: bool = True) -> str:
    """Publish other scores of the first run's payments, with or without the evidence."""
    tables = life.workspace.tables
    kept = {"scores": scores}
    if evidence:
        (path,) = tables.files("scored_evidence", life.runs[0])
        kept["scored_evidence"] = pq.read_table(path)
    for name, rows in kept.items():
        pq.write_table(rows, tables.stage(name, run) / "part-0.parquet")
        tables.publish(name, run)
    return str(scores.column("transaction_id")[0].as_py())


def test_a_score_that_does_not_come_from_its_release_is_told(
    life: Life, run_cli: Callable[..., tuple[int, str]]
) -> None:
    scores = life.scores(life.runs[0])
    moved = pc.add(scores.column("novelty"), 2e-6).combine_chunks()
    transaction = _publish(life, "moved", _changed(scores, "novelty", moved))
    found = life.replayer().replay(transaction, "moved")
    assert (found.ok, found.precedents) == (False, Precedents.SAME)
    assert found.difference == pytest.approx(2e-6, rel=0.2)
    code, out = run_cli("replay-score", transaction, "--run", "moved")
    assert code == 1
    assert "not reproduced" in out
    code, out = run_cli("replay-score", transaction, "--run", life.runs[0])
    assert code == 0, out
    assert f"reproduced with release {life.releases[0]}" in out

    other = pa.array([life.releases[1]] * scores.num_rows)
    _publish(life, "other", _changed(scores, "release_id", other))
    with pytest.raises(MissingEvidenceError, match="evidence is missing"):  # the other release left out other columns
        life.replayer().replay(transaction, "other")


def test_the_use_of_references_is_told_of_a_run(
    life: Life, run_cli: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, out = run_cli("references", life.runs[0], "--most", "2", "--json", str(tmp_path / "use.json"))
    assert code == 0, out
    use = json.loads((tmp_path / "use.json").read_text())
    kept = life.workspace.references.read_base(life.releases[0]).column("label").to_pylist()
    assert (use["fraud"]["references"], use["good"]["references"]) == (kept.count(1), kept.count(0))
    assert use["payments"] == life.scores(life.runs[0]).num_rows
    for side in ("fraud", "good"):
        assert len(use[side]["dominant"]) == 2
        assert f"{use[side]['dead']:,} of {use[side]['references']:,} {side} references" in out


def test_what_cannot_be_replayed_is_named(life: Life) -> None:
    replayer = life.replayer()
    with pytest.raises(NotFoundError, match=r"any run of scores has no score of transaction 'nobody'"):
        replayer.replay("nobody")
    with pytest.raises(NotFoundError, match=f"no run 'nope' of scores; there are: {life.runs[0]}"):
        replayer.replay("nobody", "nope")
    transaction = _publish(life, "bare", life.scores(life.runs[0]), evidence=False)
    with pytest.raises(NotFoundError, match=f"evidence of transaction '{transaction}' as run bare scored it"):
        replayer.replay(transaction, "bare")


def test_another_text_encoder_cannot_replay(life: Life) -> None:
    class Other:
        name, weights_hash, embed = "other", "1" * 64, life.embedder.embed

    place = life.workspace
    transaction = life.scores(life.runs[0]).column("transaction_id")[0].as_py()
    with pytest.raises(ReleaseMismatchError, match="configured text model is other"):
        replay_score(
            Stores(place.tables, place.references_for_scoring, place.registry, Other()), transaction, life.runs[0]
        )


def test_the_commands_show_what_there_is(life: Life, run_cli: Callable[..., tuple[int, str]]) -> None:
    first, second = life.releases
    place = life.workspace
    place.registry.set_alias("champion", first)
    code, out = run_cli("release", "list")
    assert code == 0
    lines = [line for line in out.splitlines() if first in line or second in line]
    assert [line.split()[3] for line in lines] == [second, first]
    assert "champion" in lines[1]
    assert "passed" in lines[1]

    code, out = run_cli("release", "show", "champion", "--mapping", "ulb-credit-card")
    assert code == 0
    assert f"{first}, no. 1" in out
    assert "can score ulb-credit-card" in out
    assert "have no value" in out

    code, out = run_cli("release", "diff", "champion", second)
    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("│ trained_until ")]
    assert [cut.isoformat() in row for cut in CUTS] == [True, True]

    code, out = run_cli("release", "show", "r0")
    assert code == 1
    assert f"there are: {second}, {first}" in out


def test_the_commands_change_what_they_are_told(life: Life, run_cli: Callable[..., tuple[int, str]]) -> None:
    first, second = life.releases
    place = life.workspace
    place.registry.set_alias("champion", first)
    assert run_cli("release", "promote", second, "--to", "champion")[0] == 2
    place.registry.tag(second, "gate", "failed")
    who = ("--operator", "ada", "--reason", "a test")
    code, out = run_cli("release", "promote", second, "--to", "champion", *who)
    assert (code, "has not passed the gate" in out) == (2, True)
    code, out = run_cli("release", "promote", second, "--to", "champion", *who, "--without-gate")
    assert (code, f"{second} is champion (before: {first})" in out) == (0, True)
    assert life.again().decisions.entries()[-1].details["without_gate"] == "yes"
    code, out = run_cli("release", "retire", second, *who)
    assert (code, "is champion and cannot be retired" in out) == (2, True)
    code, out = run_cli("release", "rollback", *who)
    assert (code, f"{first} is champion again (before: {second})" in out) == (0, True)


def test_a_retired_release_is_not_used_but_its_scores_are_replayed_until_its_references_go(life: Life) -> None:
    place, (first, second) = life.workspace, life.releases
    place.registry.set_alias("champion", first)
    transaction = life.scores(life.runs[1]).column("transaction_id")[0].as_py()
    retire(place.registry, place.decisions, second, "ada", "replaced")
    with pytest.raises(UsageError, match=f"{second} is retired"):
        resolve(life.again().registry, second)
    assert life.replayer().replay(transaction, life.runs[1]).ok

    retire(place.registry, place.decisions, second, "ada", "space", drop_from=place.references)
    assert place.references.releases() == [first]
    with pytest.raises(NotFoundError, match=f"references of release {second} were dropped"):
        life.replayer().replay(transaction, life.runs[1])
    told = [entry.details for entry in life.again().decisions.entries("retire", second)]
    assert told == [{"references": "kept"}, {"references": "dropped"}]
