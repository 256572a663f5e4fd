"""Nothing that is not yet known may change evidence, scores or a release; nor may the order of rows and files."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.features.spec import DEFAULT_SPECS, Aggregate, Entity, FeatureSpec
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.domain.schemas import transactions_schema
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.ports.releases import TextEmbedder
from counterfoil.ports.stores import Stores
from counterfoil.simulation import as_csv, simulate
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.scoring.scorer import Detector
from counterfoil.steps.train import TrainingRequest, train
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

Row = dict[str, Any]

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
PLAIN = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "plain")
SIMULATED = load_mapping("counterfoil-simulated")
KEY = b"0123456789abcdef"

SPECS = (
    *(FeatureSpec(Entity.MERCHANT, aggregate, 48) for aggregate in Aggregate),
    *(FeatureSpec(Entity.ACCOUNT, aggregate, 3 * 24) for aggregate in Aggregate if not aggregate.is_delayed),
    FeatureSpec(Entity.SOURCE_IP, Aggregate.FRAUD_RATE, 1),
    FeatureSpec(Entity.ACCOUNT_DEVICE, Aggregate.IS_FIRST, 12),
)


def write_transactions(root: Path, rows: list[Row], files: int = 1) -> FolderTables:
    """Transactions as `collect` would publish them, dealt out over some files in the order given."""
    tables = FolderTables(root)
    staged = tables.stage("transactions", "run")
    for number in range(files):
        table = pa.Table.from_pylist(rows[number::files], schema=transactions_schema())
        pq.write_table(table, staged / f"part-{number}.parquet")
    tables.publish("transactions", "run")
    return tables


def evidence_of(tables: FolderTables, *, mapping: Any = PLAIN, delay: timedelta = DAY, **options: Any) -> pa.Table:
    build_features(tables, mapping, label_delay=delay, **options)
    (path,) = tables.files("evidence")
    return pq.ParquetFile(path).read()


def features(evidence: pa.Table) -> dict[str, Row]:
    """All that is evidence, by transaction id: without the label and the time at which it is known."""
    rows = evidence.drop_columns(["label", "known_at"]).to_pylist()
    return {row["transaction_id"]: row for row in rows}


MOMENTS = st.builds(
    lambda days, seconds, micros: days * DAY + timedelta(seconds=seconds, microseconds=micros),
    st.integers(0, 9),
    st.sampled_from([0, 0, 1, 43_200]),
    st.sampled_from([0, 0, 0, 1]),
)
LABELS = st.sampled_from([0, 1, 1, None])


@st.composite
def payments(draw: st.DrawFn, number: int, earliest: timedelta = timedelta(0)) -> Row:
    moment = max(earliest, draw(MOMENTS))
    late = draw(st.one_of(st.none(), MOMENTS))
    return {
        "transaction_id": f"t{number:03d}", "event_time": START + moment,
        "amount": draw(st.sampled_from([None, Decimal("1.50"), Decimal("20.00"), Decimal("333.33")])),
        "currency": draw(st.sampled_from(["EUR", "USD"])), "account_id": draw(st.sampled_from("ab")),
        "merchant_id": draw(st.sampled_from(["m", "n", None])),
        "source_ip_id": draw(st.sampled_from(["i", None])),
        "device_id": draw(st.sampled_from("de")), "category": draw(st.sampled_from("cd")),
        "label": draw(LABELS), "label_time": None if late is None else START + moment + late,
        "source": "s", "source_line": number,
    }  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    return [draw(payments(number)) for number in draw(st.permutations(range(10, 10 + draw(st.integers(1, 14)))))]


def known_at(row: Row, delay: timedelta) -> datetime:
    return max(row["label_time"] or row["event_time"], row["event_time"] + delay)


@st.composite
def other_futures(draw: st.DrawFn, rows: list[Row], at: Row, delay: timedelta, *, good_stays: bool) -> list[Row]:
    """The same payments up to and with `at`, and anything at all for what is not known at its moment.

    Unless `good_stays`, a payment that is known as good may turn out a fraud: the lake has the last label only.
    """
    now = at["event_time"]
    changed = []
    for row in rows:
        if (row["event_time"], row["transaction_id"]) > (now, at["transaction_id"]):
            continue
        final = (0, 1) if good_stays else (1,)
        if row["label"] not in final or known_at(row, delay) > now:
            # What is labelled after now, whatever it was thought to be before.
            later = now + draw(MOMENTS) + timedelta(microseconds=1)
            row = draw(st.sampled_from([row, row | {"label": draw(LABELS), "label_time": later}]))
        changed.append(row)
    after = now - START
    # Of the same instant, only greater ids come later.
    new = [draw(payments(100 + number, earliest=after)) for number in range(draw(st.integers(0, 6)))]
    return draw(st.permutations(changed + new))


@settings(deadline=None, max_examples=examples(12), suppress_health_check=list(HealthCheck))
@given(data=st.data(), rows=tables(), delay=st.sampled_from([timedelta(0), timedelta(hours=12), DAY, 2 * DAY]))
def test_what_comes_or_is_known_later_changes_no_feature(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[Row], delay: timedelta
) -> None:
    at = data.draw(st.sampled_from(rows))
    # Whoever counts good labels misses one that is taken back until it is said again.
    good_stays = data.draw(st.booleans())
    specs = tuple(spec for spec in SPECS if good_stays or not spec.aggregate.reads_good_labels)
    other = data.draw(other_futures(rows, at, delay, good_stays=good_stays))
    root = tmp_path_factory.mktemp("lake")
    before = features(evidence_of(write_transactions(root / "1", rows), delay=delay, specs=specs))
    after = features(evidence_of(write_transactions(root / "2", other), delay=delay, specs=specs))
    past = [r["transaction_id"] for r in other if r["transaction_id"] < "t100"]
    assert at["transaction_id"] in past
    assert {name: after[name] for name in past} == {name: before[name] for name in past}


@settings(deadline=None, max_examples=examples(6), suppress_health_check=list(HealthCheck))
@given(data=st.data(), rows=tables(), files=st.integers(1, 3))
def test_the_order_of_rows_and_files_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[Row], files: int
) -> None:
    shuffled = data.draw(st.permutations(rows))
    root = tmp_path_factory.mktemp("lake")
    one = evidence_of(write_transactions(root / "1", rows), specs=SPECS)
    two = evidence_of(write_transactions(root / "2", shuffled, files), specs=SPECS)
    assert one.to_pylist() == two.to_pylist()


@settings(deadline=None, max_examples=examples(12), suppress_health_check=list(HealthCheck))
@given(rows=tables(), edges=st.tuples(MOMENTS, MOMENTS), delay=st.sampled_from([timedelta(0), DAY, 2 * DAY]))
def test_a_period_gets_the_evidence_that_it_has_within_everything(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], edges: tuple[timedelta, timedelta], delay: timedelta
) -> None:
    """Also of late labels, whose payments are older than any window."""
    period = Period(START + min(edges), START + max(edges))
    tables = write_transactions(tmp_path_factory.mktemp("lake"), rows)
    everything = evidence_of(tables, delay=delay, specs=SPECS)
    part = evidence_of(tables, delay=delay, specs=SPECS, period=period)
    times = everything.column("event_time")
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(period.since, times.type)),
        pc.less(times, pa.scalar(period.until, times.type)),
    )
    assert part.to_pylist() == everything.filter(inside).to_pylist()


# Simulated payments, collected and scored by a release.

TRAINED_UNTIL = START + 34 * DAY
NOW = START + 40 * DAY
FEW_TREES = TrainingOptions(trees=16, rounds=20)


@pytest.fixture(scope="module")
def raw() -> list[dict[str, str]]:
    table = simulate(accounts=30, merchants=40, days=46, start=date(2024, 1, 1), seed=8)
    return table.to_pylist()


@pytest.fixture(scope="module")
def stores(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(Settings(workspace=tmp_path_factory.mktemp("stores"), database_url=postgres_server))
    yield workspace
    for release_id in workspace.references.releases():
        workspace.references.drop(release_id)
    workspace.references.close()
    workspace.ledger.close()


def collected(root: Path, rows: list[dict[str, str]], stores: Workspace, files: int = 1) -> FolderTables:
    tables = FolderTables(root)
    paths = []
    for number in range(files):
        paths.append(root.with_name(f"{root.name}-{number}.csv"))
        paths[-1].write_bytes(as_csv(pa.Table.from_pylist(rows[number::files])))
    done = collect(paths, SIMULATED, key=KEY, reader=InputFiles(), tables=tables, ledger=stores.ledger)
    assert sum(file.rows_out for file in done) == len(rows)
    return tables


def trained(tables: FolderTables, stores: Workspace, embedder: TextEmbedder) -> Release:
    request = TrainingRequest(Period(until=TRAINED_UNTIL), known_until=TRAINED_UNTIL, options=FEW_TREES)
    return train(Stores(tables, stores.references, stores.registry, embedder), SIMULATED, request)


WEEK = {"mapping": SIMULATED, "delay": 7 * DAY, "specs": DEFAULT_SPECS}


@pytest.fixture(scope="module")
def baseline(
    raw: list[dict[str, str]], stores: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pa.Table, FolderTables]:
    tables = collected(tmp_path_factory.mktemp("baseline") / "lake", raw, stores)
    return evidence_of(tables, **WEEK), tables


@pytest.fixture(scope="module")
def release(baseline: tuple[pa.Table, FolderTables], stores: Workspace, embedder: TextEmbedder) -> Release:
    return trained(baseline[1], stores, embedder)


@pytest.fixture(scope="module")
def detector(release: Release, stores: Workspace, embedder: TextEmbedder) -> Detector:
    return Detector.load(release, stores.references, embedder)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def without_the_future(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if moment(row["paid_at"]) < NOW]


def with_another_future(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    changed = [
        row | {"amount": "9999.99", "account": "A000001", "merchant": rows[0]["merchant"], "is_fraud": "1"}
        if moment(row["paid_at"]) >= NOW
        else row
        for row in rows
    ]
    more = [row | {"payment_id": f"N{n}", "paid_at": "2024-02-11T00:00:00.000001Z"} for n, row in enumerate(rows[:99])]
    return changed + more


def with_other_unknown_labels(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Turn all labels around whose delay has not ended, and let old good payments turn out as frauds later."""
    changed = []
    for number, row in enumerate(rows):
        if moment(row["paid_at"]) + 7 * DAY > NOW:
            row = row | {"is_fraud": {"1": "0", "0": "1", "": "1"}[row["is_fraud"]], "labelled_at": row["paid_at"]}
        elif row["is_fraud"] != "1" and number % 5 == 0:
            row = row | {"is_fraud": "1", "labelled_at": "2024-02-12T00:00:00Z"}
        changed.append(row)
    return changed


def in_the_past(evidence: pa.Table) -> pa.Table:
    times = evidence.column("event_time")
    return evidence.filter(pc.less(times, pa.scalar(NOW, times.type)))


def margins(scores: pa.Table) -> dict[str, float]:
    return dict(zip(*(scores.column(name).to_pylist() for name in ("transaction_id", "margin")), strict=True))


@pytest.mark.parametrize("change", [without_the_future, with_another_future, with_other_unknown_labels])
def test_no_score_changes_with_what_is_not_known_yet(
    change: Any,
    raw: list[dict[str, str]],
    baseline: tuple[pa.Table, FolderTables],
    stores: Workspace,
    detector: Detector,
    tmp_path: Path,
) -> None:
    changed = change(raw)
    assert changed != raw
    before = in_the_past(baseline[0])
    after = in_the_past(evidence_of(collected(tmp_path / "lake", changed, stores), **WEEK))
    assert features(after) == features(before)
    assert before.num_rows > 2000
    assert np.ptp(detector.score(before).column("margin").to_numpy()) > 0.5
    assert margins(detector.score(after)) == pytest.approx(margins(detector.score(before)), abs=1e-6)


def test_scores_do_not_hang_on_the_order_of_files_rows_or_batches(
    raw: list[dict[str, str]],
    baseline: tuple[pa.Table, FolderTables],
    stores: Workspace,
    detector: Detector,
    tmp_path: Path,
) -> None:
    shuffled = [raw[n] for n in np.random.default_rng(3).permutation(len(raw))]
    evidence = evidence_of(collected(tmp_path / "lake", shuffled, stores, files=3), **WEEK)
    assert evidence.to_pylist() == baseline[0].to_pylist()
    scores = margins(detector.score(evidence))
    order = pa.array(np.random.default_rng(4).permutation(evidence.num_rows))
    assert margins(detector.score(evidence.take(order))) == pytest.approx(scores, abs=1e-6)
    for number in (0, 7, evidence.num_rows - 1):
        alone = margins(detector.score(evidence.slice(number, 1)))
        assert {name: scores[name] for name in alone} == pytest.approx(alone, abs=1e-6)


def test_the_same_payments_in_another_order_train_the_same_release(
    raw: list[dict[str, str]], stores: Workspace, release: Release, embedder: TextEmbedder, tmp_path: Path
) -> None:
    shuffled = [raw[n] for n in np.random.default_rng(5).permutation(len(raw))]
    tables = collected(tmp_path / "lake", shuffled, stores, files=2)
    evidence_of(tables, **WEEK)
    assert trained(tables, stores, embedder).release_id == release.release_id
    assert [found.release_id for found in stores.registry.releases()] == [release.release_id]


def test_what_was_not_known_when_training_ended_trains_the_same_release(
    raw: list[dict[str, str]], stores: Workspace, release: Release, embedder: TextEmbedder, tmp_path: Path
) -> None:
    """Payments after the window, labels whose delay had not ended, frauds that were found later."""
    other = []
    for row in raw:
        paid = moment(row["paid_at"])
        if paid >= TRAINED_UNTIL:
            row = row | {"amount": "1.00", "is_fraud": "1", "account": "A000002"}
        elif paid + 7 * DAY > TRAINED_UNTIL:
            row = row | {"is_fraud": {"1": "0", "0": "1", "": "1"}[row["is_fraud"]], "labelled_at": row["paid_at"]}
        elif row["labelled_at"] and moment(row["labelled_at"]) > TRAINED_UNTIL:
            row = row | {"is_fraud": "0", "labelled_at": "2024-03-01T00:00:00Z"}
        elif row["is_fraud"] == "":
            row = row | {"is_fraud": "1", "labelled_at": "2024-03-02T00:00:00Z"}
        other.append(row)
    assert sum(one != two for one, two in zip(raw, other, strict=True)) > 500
    tables = collected(tmp_path / "lake", other, stores)
    evidence_of(tables, **WEEK)
    assert trained(tables, stores, embedder).release_id == release.release_id


def test_a_label_that_was_known_does_change_the_release(
    raw: list[dict[str, str]], stores: Workspace, release: Release, embedder: TextEmbedder, tmp_path: Path
) -> None:
    """The tests above could pass with a release that looks at no label at all."""
    known = next(n for n, row in enumerate(raw) if row["is_fraud"] == "0" and moment(row["paid_at"]) < START + 9 * DAY)
    other = [row | {"is_fraud": "1"} if n == known else row for n, row in enumerate(raw)]
    tables = collected(tmp_path / "lake", other, stores)
    evidence_of(tables, **WEEK)
    assert trained(tables, stores, embedder).release_id != release.release_id
