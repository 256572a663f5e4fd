"""A release whose mapping declares entities of its own scores payments that come one by one as the batch does."""

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.domain.features.spec import specs_with
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.periods import Period
from counterfoil.domain.policy.verdicts import Verdict
from counterfoil.domain.release.release import scored_schema
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.ports.service import KeptScore
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.parity import Parity, Recomputing
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.feedback import give_feedback
from counterfoil.steps.scoring.profiles import build_profiles
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.score_one import OnlineScorer
from counterfoil.steps.train import TrainingRequest, train

MAPPING = load_mapping("s-ffsd")
SPECS = specs_with({**MAPPING.entities, "kind_there": ("location", "category")})
"""The shipped mapping's entities, of which two are columns without a log of their own before, and a pair of these."""
DELAY = dt.timedelta(days=7)
OLDER, NEWER = 900, 60
HEADER = "Time,Source,Target,Amount,Location,Type,Labels"


def lines(rows: int) -> list[str]:
    """Payments of the layout, twenty-four minutes apart; those at one place are judged as frauds, a third is not."""
    rng = np.random.default_rng(4)
    found = []
    for number in range(rows):
        place, odd = rng.integers(6), rng.random() < 0.04
        amount = rng.integers(900, 990) if odd else rng.integers(5, 60)
        label = 2 if rng.random() < 0.3 else int(odd)
        where = "L0" if odd else f"L{place}"
        found.append(
            f"{number * 24},S{rng.integers(30)},T{rng.integers(9)},{amount}.50,{where},TP{rng.integers(3)},{label}"
        )
    return found


@dataclass(frozen=True)
class Own:
    """A workspace whose champion reads own entities, and the payments that it scored one by one."""

    here: Any
    in_use: Any
    scored: list[KeptScore]
    lake: FolderTables


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, embedder: Any) -> Iterator[Own]:
    from counterfoil.workspace.settings import Settings
    from counterfoil.workspace.wiring import Workspace

    root = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))  # short, as a socket's path must be
    here = Workspace(Settings(workspace=root, feedback_acts=False))
    here.__dict__["embedder"] = embedder
    payments = lines(OLDER + NEWER)
    for name, some in (("older", payments[:OLDER]), ("all", payments)):
        (root / f"{name}.csv").write_text("\n".join([HEADER, *some]) + "\n")
    lake = FolderTables(tmp_path_factory.mktemp("lake"))
    for file, tables, ledger in (("older", here.tables, here.ledger), ("all", lake, MemoryLedger())):
        collect(
            [root / f"{file}.csv"], MAPPING, key=here.pseudonym_key, reader=here.reader, tables=tables, ledger=ledger
        )
        build_features(tables, MAPPING, label_delay=DELAY, specs=SPECS)
    request = TrainingRequest(Period(), specs=SPECS, options=TrainingOptions(trees=16, rounds=20))
    release = train(here.stores, MAPPING, request)
    here.registry.set_alias("champion", release.release_id)
    build_profiles(here.tables, here.profiles, release.specs, DELAY)
    in_use = here.champion.current()
    yield Own(here, in_use, list(_scored(here, in_use, payments[OLDER:])), lake)
    embedded_postgres.stop(root / "postgres")
    shutil.rmtree(root, ignore_errors=True)


def _scored(here: Any, in_use: Any, payments: list[str]) -> Iterator[KeptScore]:
    scorer = OnlineScorer(here.champion, here.profiles, here.scores, dt.timedelta(seconds=60))
    read = in_use.source.source_columns
    rows = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in payments]
    for first in range(0, len(rows), 7):
        wanted = [{name: row[name] for name in read} for row in rows[first : first + 7]]
        arrivals = clean_requests(wanted, in_use.source, key=here.pseudonym_key)
        assert not arrivals.faults
        yield from scorer.score(arrivals, in_use)


def test_evidence_of_own_entities_is_the_batchs(own: Own) -> None:
    release = own.in_use.detector.release
    assert {spec.entity.columns for spec in release.specs} >= {("location",), ("category",), ("location", "category")}
    rows = pa.concat_tables([pq.read_table(path) for path in own.lake.files("evidence")])
    batch = as_scored(rows.sort_by("event_time"), release).slice(OLDER)  # the ids are others: files have labels
    assert [score.answer["without_history"] for score in own.scored] == [None] * NEWER
    for field in scored_schema(release):
        ours = [score.evidence[field.name] for score in own.scored]
        theirs = batch[field.name].to_pylist()
        if field.type == pa.float64():
            np.testing.assert_allclose(
                np.array(ours, float), np.array(theirs, float), rtol=1e-9, atol=1e-12, err_msg=field.name
            )
        elif field.name not in ("event_time", "transaction_id"):
            assert ours == theirs, field.name
    rates = {spec.name for spec in release.specs if spec.name.startswith("place_judged")}
    assert rates  # what is known of a place, a week after its payments
    assert any(score.evidence[name] for score in own.scored for name in rates & set(own.scored[0].evidence))


def test_parity_recomputes_them(own: Own) -> None:
    here, in_use = own.here, own.in_use
    recomputing = Recomputing(
        here.scores, here.decisions, here.tables, lambda _: in_use.detector, lambda _: in_use.mapping
    )
    assert recomputing.parity(Period()) == Parity(NEWER, 0, 0, ())


def test_a_word_reaches_the_logs_of_own_entities(own: Own) -> None:
    score = own.scored[0]
    log = f"own:location:{score.payment['location']}"
    before = {entry.entry_id for entry in own.here.profiles.read({log: 0})[log].entries}
    assert f"payment:{score.transaction_id}:location" in before
    give_feedback(
        own.here.decisions, own.here.scores, own.here.profiles, score.transaction_id, Verdict.FRAUD, "ada", "called"
    )
    own.here.settling.settle()
    [new] = {entry.entry_id for entry in own.here.profiles.read({log: 0})[log].entries} - before
    assert new.startswith(f"label:{score.transaction_id}:")
