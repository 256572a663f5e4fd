"""Evidence of payments that come one by one is that of the same payments within the whole lake; and who tells so."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.conninfo import make_conninfo

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.adapters.postgres.decisions import PostgresDecisions
from counterfoil.adapters.postgres.profiles import PostgresProfiles
from counterfoil.adapters.postgres.scores import PostgresScores
from counterfoil.cli import main
from counterfoil.domain.intake.requests import clean_requests
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import scored_schema
from counterfoil.errors import NotFoundError
from counterfoil.ports.service import KeptScore
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.parity import Parity, Recomputing, parity_with_run
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.parity_now import Compared, ParityNow
from counterfoil.steps.scoring.profiles import build_profiles
from counterfoil.steps.scoring.score import as_scored, detect
from counterfoil.steps.scoring.score_one import OnlineScorer
from counterfoil.steps.scoring.scorer import Detector

pytestmark = pytest.mark.xdist_group("service")

PAYMENTS = 300
SPOILT = "account_count_1h"
SIZES = (1, 1, 1, 2, 25, 70, 200)
"""How many payments come in a request, in turn. Labels of new payments are known to the batch after a week only."""


@pytest.fixture(scope="module")
def lake(scoring_place: Any, tmp_path_factory: pytest.TempPathFactory) -> FolderTables:
    """Return a lake with the evidence of all payments, older and newer, as the batch builds it."""
    here, mapping = scoring_place.open(), load_mapping("counterfoil-simulated")
    tables = FolderTables(tmp_path_factory.mktemp("lake"))
    files = [scoring_place.root / f"{name}.csv" for name in ("older", "newer")]
    collect(files, mapping, key=here.pseudonym_key, reader=here.reader, tables=tables, ledger=MemoryLedger())
    build_features(tables, mapping, label_delay=dt.timedelta(days=7))
    return tables


@dataclass(frozen=True)
class Online:
    """Payments that came one by one, scored in stores of their own: other tests score others of the same merchants."""

    here: Any
    in_use: Any
    dsn: str
    scored: list[KeptScore]

    @property
    def recomputing(self) -> Recomputing:
        """What folds them again, over the older payments alone, as the lake has them when the service scores."""
        return Recomputing(
            PostgresScores(self.dsn), PostgresDecisions(self.dsn), self.here.tables, lambda _: self.in_use.detector,
            lambda _: self.in_use.mapping,
        )  # fmt: skip


@pytest.fixture(scope="module")
def online(scoring_place: Any, postgres_server: str) -> Iterator[Online]:
    name = "online_parity"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _scored_online(scoring_place.open(), make_conninfo(postgres_server, dbname=name), scoring_place.newer)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _scored_online(here: Any, dsn: str, newer: list[dict[str, str]]) -> Online:
    in_use = here.champion.current()
    profiles, release, patience = PostgresProfiles(dsn), in_use.detector.release, dt.timedelta(seconds=60)
    build_profiles(here.tables, profiles, release.specs, dt.timedelta(days=release.label_delay_days))
    scorer = OnlineScorer(here.champion, profiles, PostgresScores(dsn), patience)
    read = in_use.source.source_columns
    assert "is_fraud" not in read
    waiting = [{name: row[name] for name in read} for row in newer[:PAYMENTS]]
    scored: list[KeptScore] = []
    for size in SIZES:
        arrivals = clean_requests(waiting[:size], in_use.source, key=here.pseudonym_key)
        assert not arrivals.faults
        scored += scorer.score(arrivals, in_use)
        waiting = waiting[size:]
    return Online(here, in_use, dsn, scored)


def test_online_evidence_is_the_batchs(online: Online, lake: FolderTables) -> None:
    scored, in_use = online.scored, online.in_use
    rows = pa.concat_tables([pq.read_table(path) for path in lake.files("evidence")])
    batch = {row["transaction_id"]: row for row in as_scored(rows, in_use.detector.release).to_pylist()}
    assert len(scored) == PAYMENTS
    assert [score.answer["without_history"] for score in scored] == [None] * PAYMENTS
    schema = scored_schema(in_use.detector.release)
    ours = _table([_typed(dict(score.evidence)) for score in scored], schema)
    theirs = _table([batch[score.transaction_id] for score in scored], schema)
    for field in schema:
        if field.type == pa.float64():
            a, b = (table[field.name].to_numpy(zero_copy_only=False) for table in (ours, theirs))
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=field.name)
        else:
            assert ours[field.name].equals(theirs[field.name]), field.name
    again = Detector.score(in_use.detector, theirs)["anomaly_signal"].to_numpy()
    np.testing.assert_allclose([score.signal for score in scored], again, atol=1e-6)


def test_parity_recomputes_what_was_scored(online: Online) -> None:
    found = online.recomputing.parity(Period())
    assert found == Parity(PAYMENTS, 0, 0, ())
    assert found.ok
    with pytest.raises(NotFoundError, match="further back"):
        online.recomputing.parity(Period(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), None))


def test_parity_with_a_run_of_the_batch(online: Online, lake: FolderTables) -> None:
    detector = online.in_use.detector
    run = detect(lake, detector, period=Period(dt.datetime(2024, 2, 12, tzinfo=dt.UTC), None))
    scores = PostgresScores(online.dsn)
    assert parity_with_run(scores, lake, lambda _: detector.release, run) == Parity(PAYMENTS, 0, 0, ())
    before = detect(lake, detector, period=Period(None, dt.datetime(2024, 1, 10, tzinfo=dt.UTC)))
    with pytest.raises(NotFoundError, match="none of the payments"):
        parity_with_run(scores, lake, lambda _: detector.release, before)


def test_parity_names_what_differs(online: Online) -> None:
    found = replace(online.recomputing, scores=_spoilt(online)).parity(Period())
    assert (found.payments, found.without_history, found.ok) == (PAYMENTS - 1, 1, False)
    assert [(apart.name, apart.rows) for apart in found.apart] == [(SPOILT, 2), ("anomaly_signal", 1)]
    assert found.apart[0].largest == float("inf")
    assert found.apart[1].example == online.scored[1].transaction_id


def _spoilt(online: Online, later: dict[str, Any] | None = None) -> Any:
    """The log of scores, spoilt in its first three; with a payment that was scored later, if one is given."""
    one, other, third = online.scored[:3]
    count = one.evidence[SPOILT] + 1

    class Spoilt:
        """One count is one too high, one is lost, and one score is without history."""

        def since(self, moment: dt.datetime, limit: int) -> list[KeptScore]:
            kept = {score.transaction_id: score for score in PostgresScores(online.dsn).since(moment, limit)}
            if one.transaction_id in kept:
                at = [kept[score.transaction_id].scored_at for score in (one, other, third)]
                kept[one.transaction_id] = replace(one, evidence={**one.evidence, SPOILT: count}, scored_at=at[0])
                kept[other.transaction_id] = replace(
                    other, evidence={**other.evidence, SPOILT: None}, signal=2.0, scored_at=at[1]
                )
                kept[third.transaction_id] = replace(
                    third, answer={**third.answer, "without_history": "slow"}, scored_at=at[2]
                )
            return list(kept.values())

        def payments_since(self, moment: dt.datetime, limit: int) -> list[tuple[dt.datetime, dict[str, Any]]]:
            return [(moment, later)][:limit] if later is not None else []

    return Spoilt()


def _look(online: Online, scores: Any, most: int = 40) -> Compared:
    """What a service that was opened before all was scored would tell a minute after."""
    now = dt.datetime.now(dt.UTC)
    times = iter([now - dt.timedelta(days=1), now + dt.timedelta(minutes=1)])
    return ParityNow(scores, PostgresProfiles(online.dsn), most, lambda: next(times)).look(online.in_use)


def test_a_running_service_sees_that_its_scores_are_the_batchs(online: Online) -> None:
    assert _look(online, PostgresScores(online.dsn)) == Compared(40)
    assert _look(online, PostgresScores(online.dsn), most=0) == Compared()
    rested = ParityNow(PostgresScores(online.dsn), PostgresProfiles(online.dsn), 5)
    assert rested.look(online.in_use) == Compared()  # what it has scored is of before


def test_after_a_look_it_rests_so_that_scoring_has_the_core(online: Online) -> None:
    opened = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    times = iter([opened, *[opened + dt.timedelta(days=2)] * 3])
    parity = ParityNow(PostgresScores(online.dsn), PostgresProfiles(online.dsn), 2, lambda: next(times))
    assert parity.look(online.in_use) == Compared(2)
    parity._since = opened
    assert parity.look(online.in_use) == Compared()
    parity._since, parity._rests_until = opened, 0.0
    assert parity.look(online.in_use) == Compared(2)


def test_a_running_service_counts_what_differs_but_for_what_came_late(online: Online) -> None:
    one, other = online.scored[:2]
    assert _look(online, _spoilt(online)) == Compared(40, 0, (SPOILT, SPOILT, "anomaly_signal"))
    late = {**one.payment, "transaction_id": "late", "merchant_id": None, "source_ip_id": None}
    found = _look(online, _spoilt(online, late))
    assert one.payment["account_id"] != other.payment["account_id"]
    assert found == Compared(40, 1, (SPOILT, "anomaly_signal"))


def test_parity_needs_a_run_or_a_span(scoring_place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--run", "x", "--last", "1"]):
        with pytest.raises(SystemExit) as end:
            main(["parity", *arguments, "--workspace", str(scoring_place.root)])
        assert end.value.code == 2
        assert "one of the two" in capsys.readouterr().err


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "event_time": dt.datetime.fromisoformat(row["event_time"])}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
