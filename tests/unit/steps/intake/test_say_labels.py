"""Labels that come in files, weeks after their payments: none is thrown away, and all who look see them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.features.aggregates import Aggregate
from counterfoil.domain.features.spec import DEFAULT_SPECS, Entity
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import MappingError
from counterfoil.steps.features import build_features
from counterfoil.steps.insights.evaluate_run import evaluate_run
from counterfoil.steps.intake.collect import CollectedFile, collect
from counterfoil.steps.intake.curate import curate
from counterfoil.steps.intake.say_labels import LabelledFile, say_labels
from counterfoil.steps.lake.engine import engine
from counterfoil.steps.lake.labels import Contradiction, labelled
from counterfoil.steps.train import TrainingRequest, sample_payments

KEYS = PseudonymKeys((b"0" * 32,))
LABELS = '[labels]\nfraud = ["1"]\ngood = ["0"]\nunknown = [""]\n'
PAYMENTS = parse_mapping(
    '[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\naccount = "who"\nmerchant = "shop"\n'
    f'source_ip = "ip"\nlabel = "l"\nlabel_time = "lt"\n{LABELS}',
    "payments",
)
FEED = parse_mapping(f'[fields]\ntransaction_id = "id"\nlabel = "l"\nlabel_time = "lt"\n{LABELS}', "chargebacks")
DELAY = timedelta(days=7)
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@dataclass(frozen=True)
class Place:
    folder: Path
    tables: FolderTables
    ledger: MemoryLedger

    def collect(self, name: str, rows: list[tuple[int, str, str]], now: datetime) -> CollectedFile:
        """Collect payments of one shop, one a day: number, label and label time."""
        path = self.folder / name
        lines = [f"p{n},{day(n).isoformat()},{n + 1},a{n % 5},shop,203.0.113.9,{label},{lt}" for n, label, lt in rows]
        path.write_text("\n".join(["id,t,a,who,shop,ip,l,lt", *lines, ""]))
        [done] = collect(
            [path], PAYMENTS, key=KEYS, reader=InputFiles(), tables=self.tables, ledger=self.ledger, now=now
        )
        return done

    def say(self, name: str, content: str, now: datetime, mapping: Any = FEED) -> LabelledFile:
        path = self.folder / name
        path.write_text(content)
        [said] = say_labels([path], mapping, key=KEYS, reader=InputFiles(), tables=self.tables, now=now)
        return said

    def labels(self) -> dict[str, int]:
        with engine() as database:
            query = f"SELECT transaction_id, label FROM {labelled(self.tables, DELAY)} WHERE label IS NOT NULL"
            return dict(database.execute(query).fetchall())

    def evidence(self, feature: str) -> dict[str, float]:
        build_features(self.tables, PAYMENTS, label_delay=DELAY)
        [path] = self.tables.files("evidence")
        rows = pq.read_table(path, columns=["transaction_id", feature]).to_pylist()
        return {row["transaction_id"]: row[feature] for row in rows}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a lake of 60 payments, one a day, none with a label."""
    here = Place(tmp_path, FolderTables(tmp_path / "lake"), MemoryLedger())
    here.collect("jan.csv", [(n, "", "") for n in range(60)], day(60))
    return here


def test_a_feed_of_chargebacks_gives_the_payments_their_labels(place: Place) -> None:
    feed = "id,l,lt\n" + "".join(f"p{n},1,{day(n + 9).isoformat()}\n" for n in range(28)) + "p3,x,\n,1,\np4,,\n"
    said = place.say("feed.csv", feed, day(70))
    assert (said.rows_in, said.said.new, said.said.unknown, said.unlabelled) == (31, 28, 0, 1)
    assert said.rejected == {"label_unknown_value": 1, "id_missing": 1}
    assert place.labels() == {f"p{n}": 1 for n in range(28)}
    assert place.say("feed.csv", feed, day(80)).said.already


@pytest.mark.slow
def test_the_whole_export_again_with_labels_gives_them_too(place: Place) -> None:
    done = place.collect("again.csv", [(n, "1" if n < 28 else "", "") for n in range(60)], day(70))
    assert (done.rows_out, done.rejected) == (0, {"duplicate_id": 60})
    assert (done.labels.new, done.labels.changed, done.labels.unknown) == (28, 0, 0)
    assert place.labels() == {f"p{n}": 1 for n in range(28)}
    again = place.collect("third.csv", [(n, "1" if n < 30 else "", "") for n in range(60)], day(80))
    assert (again.labels.new, again.labels.repeated) == (2, 28)


def test_rows_of_another_payment_with_the_same_id_say_nothing_of_this_one(place: Place) -> None:
    path = place.folder / "other.csv"
    path.write_text(f"id,t,a,who,shop,ip,l,lt\np1,{day(1).isoformat()},999,a1,shop,203.0.113.9,1,\n")
    [done] = collect([path], PAYMENTS, key=KEYS, reader=InputFiles(), tables=place.tables, ledger=place.ledger)
    assert done.rejected == {"duplicate_id_other_content": 1}
    assert done.labels.rows == 0
    assert place.labels() == {}


def test_a_line_further_down_may_have_the_label(place: Place) -> None:
    done = place.collect("twice.csv", [(70, "", ""), (70, "1", ""), (71, "0", ""), (71, "0", "")], day(90))
    assert (done.rows_out, done.labels.new, done.labels.repeated) == (2, 1, 0)
    assert place.labels() == {"p70": 1, "p71": 0}


def test_a_contradiction_is_told_and_the_first_label_stays_in_the_payments(place: Place) -> None:
    place.collect("late.csv", [(70, "0", "")], day(71))
    said = place.say("feed.csv", "id,l,lt\np70,1,\n", day(90))
    assert said.said.examples == (Contradiction("p70", 0, 1),)
    assert place.labels() == {"p70": 1}
    files = place.tables.files("transactions")
    assert [
        row["label"] for f in files for row in pq.ParquetFile(f).read().to_pylist() if row["label"] is not None
    ] == [0]


@pytest.mark.slow
def test_windows_count_a_fraud_from_when_it_was_known_to_when_it_was_taken_back(place: Place) -> None:
    """p0 is of day 0; its fraud is known from day 20; on day 40 it is said to be good."""
    feature = _frauds()
    before = place.evidence(feature)
    assert set(before.values()) == {0.0}
    place.say("feed.csv", f"id,l,lt\np0,1,{day(20).isoformat()}\n", day(25))
    known = place.evidence(feature)
    assert {name for name, count in known.items() if count == 1} == {f"p{n}" for n in range(20, 60)}
    place.say("back.csv", "id,l,lt\np0,0,\n", day(40))
    back = place.evidence(feature)
    assert {name for name, count in back.items() if count == 1} == {f"p{n}" for n in range(20, 40)}
    assert len(back) == 60


def _frauds() -> str:
    return next(
        spec.name
        for spec in DEFAULT_SPECS
        if spec.aggregate is Aggregate.FRAUDS and spec.entity is Entity.SOURCE_IP and spec.hours > 24 * 60
    )


@pytest.mark.slow
def test_training_takes_labels_that_came_after_the_evidence_as_known_at_its_moment(place: Place) -> None:
    build_features(place.tables, PAYMENTS, label_delay=DELAY)
    place.say("feed.csv", f"id,l,lt\np0,1,{day(20).isoformat()}\np1,0,\n", day(30))
    place.say("back.csv", "id,l,lt\np0,0,\n", day(40))

    def known(until: datetime | None) -> dict[str, int]:
        payments, _ = sample_payments(place.tables, TrainingRequest(known_until=until))
        return dict(zip(payments["transaction_id"].to_pylist(), payments["label"].to_pylist(), strict=True))

    assert known(day(25)) == {"p0": 1}
    assert known(day(35)) == {"p0": 1, "p1": 0}
    assert known(day(40)) == known(None) == {"p0": 0, "p1": 0}


@pytest.mark.slow
def test_what_is_taken_back_of_one_payment_leaves_the_labels_of_others_in_the_evidence(place: Place) -> None:
    place.collect("own.csv", [(61, "1", "")], day(62))
    place.say("feed.csv", f"id,l,lt\np0,1,{day(20).isoformat()}\n", day(25))
    place.say("back.csv", "id,l,lt\np0,0,\n", day(64))
    build_features(place.tables, PAYMENTS, label_delay=DELAY)
    payments, _ = sample_payments(place.tables, TrainingRequest())
    labels = dict(zip(payments["transaction_id"].to_pylist(), payments["label"].to_pylist(), strict=True))
    assert labels == {"p0": 0, "p61": 1}


@pytest.mark.slow
def test_source_ips_know_frauds_that_were_said_later(place: Place) -> None:
    curate(place.tables, label_delay=DELAY)
    place.say("feed.csv", f"id,l,lt\np0,1,{day(45).isoformat()}\n", day(50))
    summary = curate(place.tables, PAYMENTS, touched=[], said=place.tables.files("labels"), label_delay=DELAY)
    assert summary.months == ("2026-02",)
    rows = [row for f in place.tables.files("source_ip_days") for row in pq.ParquetFile(f).read().to_pylist()]
    assert [(row["event_date"], row["frauds_known"]) for row in rows if row["frauds_known"]] == [(day(45).date(), 1)]


def test_a_mapping_of_labels_alone_collects_nothing_and_one_without_labels_says_nothing(place: Place) -> None:
    path = place.folder / "jan.csv"
    with pytest.raises(MappingError, match="counterfoil labels"):
        collect([path], FEED, key=KEYS, reader=InputFiles(), tables=place.tables, ledger=place.ledger)
    plain = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "plain")
    with pytest.raises(MappingError, match=r"fields\.label is missing"):
        say_labels([path], plain, key=KEYS, reader=InputFiles(), tables=place.tables)
    with pytest.raises(MappingError, match=r"fields\.event_time is missing"):
        parse_mapping('[fields]\ntransaction_id = "id"\namount = "a"\n', "no time")


def test_the_mapping_of_the_payments_reads_a_feed_of_three_columns(place: Place) -> None:
    assert place.say("feed.csv", "id,l,lt\np1,1,\n", day(70), PAYMENTS).said.new == 1
    assert place.labels() == {"p1": 1}


@pytest.mark.slow
def test_scores_are_evaluated_by_the_labels_that_came_later(place: Place) -> None:
    names = [f"p{n}" for n in range(60)]
    columns = {
        "transaction_id": names, "event_time": [day(n) for n in range(60)],
        "account_id": [f"a{n % 5}" for n in range(60)],
        "anomaly_signal": [0.9 if n < 10 else 0.1 for n in range(60)],
    }  # fmt: skip
    staged = place.tables.stage("scores", "run")
    pq.write_table(pa.table(columns), staged / "part-0.parquet")
    place.tables.publish("scores", "run")
    assert evaluate_run(place.tables, "run").labels.null_count == 60
    feed = "".join(f"p{n},{int(n < 10)},\n" for n in range(60))
    place.say("feed.csv", f"id,l,lt\n{feed}", day(70))
    evaluated = evaluate_run(place.tables, "run")
    assert evaluated.labels.to_pylist() == [1] * 10 + [0] * 50
    place.say("back.csv", "id,l,lt\np0,0,\n", day(80))
    assert evaluate_run(place.tables, "run").labels.to_pylist() == [0] + [1] * 9 + [0] * 50
