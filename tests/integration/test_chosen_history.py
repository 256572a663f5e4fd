"""Evidence computed with the history that collect has chosen is that computed with the whole lake, to the bit."""

import json
import shutil
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.domain.features.spec import EVER, Aggregate, Entity, FeatureSpec
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.schemas import LABELS, transactions_schema
from counterfoil.processing.history import choose_history
from counterfoil.processing.job import Job
from counterfoil.steps.features import build_features
from counterfoil.steps.options import FeaturesOptions
from pipelines.local.objects import Objects, copy_in

Row = dict[str, Any]

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 40
PLAIN = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "plain")
LAKE, TABLES = "s3://counterfoil-local/lake", ("transactions", "labels")

SHORT = tuple(
    FeatureSpec(entity, aggregate, 48)
    for entity in (Entity.MERCHANT, Entity.ACCOUNT)
    for aggregate in Aggregate
    if not aggregate.reads_good_labels
)
FRAUDS = FeatureSpec(Entity.SOURCE_IP, Aggregate.FRAUDS, 20 * 24)
JUDGED = tuple(FeatureSpec(Entity.MERCHANT, aggregate, 48) for aggregate in Aggregate if aggregate.reads_good_labels)
ALL_SPECS = {
    "short windows": SHORT,
    "a long window of frauds": (*SHORT, FRAUDS),
    "good labels": (*SHORT, FRAUDS, *JUDGED),
    "a whole life": (*SHORT, FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, EVER)),
}

MOMENTS = st.builds(
    lambda days, seconds, micros: START + days * DAY + timedelta(seconds=seconds, microseconds=micros),
    st.integers(0, DAYS - 1),
    st.sampled_from([0, 1, 43_200, 86_399]),
    st.sampled_from([0, 0, 1]),
)


@st.composite
def payments(draw: st.DrawFn, number: int) -> Row:
    return {
        "transaction_id": f"t{number:03d}", "event_time": draw(MOMENTS),
        "amount": draw(st.sampled_from([None, Decimal("1.50"), Decimal("20.00"), Decimal("333.33")])),
        "currency": "EUR", "account_id": draw(st.sampled_from("ab")), "merchant_id": draw(st.sampled_from(["m", None])),
        "source_ip_id": draw(st.sampled_from(["i", "j"])), "label": draw(st.sampled_from([0, 1, 1, None])),
        "label_time": draw(st.one_of(st.none(), MOMENTS)), "source": "s", "source_line": number,
    }  # fmt: skip


@st.composite
def said_labels(draw: st.DrawFn, of: list[str]) -> list[Row]:
    """What was said of some payments, of one several times, in the order of its sequence."""
    return [
        {
            "transaction_id": draw(st.sampled_from(of)), "label": draw(st.sampled_from([0, 1, None])),
            "label_time": draw(st.one_of(st.none(), MOMENTS)), "said_by": "desk", "said_at": draw(MOMENTS),
            "sequence": number + 1,
        }
        for number in range(draw(st.integers(0, 6)))
    ]  # fmt: skip


def write_by_date(folder: Path, rows: list[Row]) -> None:
    """Write payments as `collect` does: a file for each day."""
    of_day = defaultdict(list)
    for row in rows:
        of_day[row["event_time"].date()].append(row)
    for day, some in of_day.items():
        home = folder / f"event_date={day}"
        home.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(some, schema=transactions_schema()), home / "part-0.parquet")


def publish(lake: FolderTables, table: str, run: str, write: Any) -> None:
    write(lake.stage(table, run))
    lake.publish(table, run)


class Execution:
    """The jobs of one execution over the lake in the folder `root`, with the payments `new` just collected."""

    def __init__(self, root: Path, new: list[Row]) -> None:
        self._root, self._objects = root, Objects(root)
        self.collect = Job(root / "collect", None)  # type: ignore[arg-type] it reaches no store
        (root / "collect" / "config").mkdir(parents=True)
        inputs = [{"InputName": f"lake-{table}", "S3Input": {"S3Uri": f"{LAKE}/{table}"}} for table in TABLES]
        config = root / "collect" / "config" / "processingjobconfig.json"
        config.write_text(json.dumps({"ProcessingInputs": inputs}))
        self._carry_lake(self.collect.inputs)
        self.collected = ProcessingTables(self.collect.inputs, self.collect.outputs)
        write_by_date(self.collected.stage("transactions", "new"), new)
        self.collected.publish("transactions", "new")

    def _carry_lake(self, inputs: Path) -> None:
        for table in TABLES:
            copy_in(self._objects.listing(f"{LAKE}/{table}"), inputs / "lake" / table)

    def whole(self) -> ProcessingTables:
        """Return the tables of the step `features` with the whole lake."""
        inputs = self._root / "whole" / "input"
        shutil.copytree(self.collect.outputs / "transactions", inputs / "transactions")
        self._carry_lake(inputs)
        return ProcessingTables(inputs, self._root / "whole" / "output")

    def chosen(self) -> ProcessingTables:
        """Return the tables of the step `features` with what was chosen."""
        inputs, history = self._root / "chosen" / "input", self.collect.outputs / "history" / "features"
        shutil.copytree(self.collect.outputs / "transactions", inputs / "transactions")
        shutil.copytree(history, inputs / "history")
        for table in TABLES:
            keys = self._objects.listing(str(history / table / "keys.json"), "ManifestFile")
            copy_in(keys, inputs / "lake" / table)
        return ProcessingTables(inputs, self._root / "chosen" / "output")


def evidence(tables: ProcessingTables, specs: tuple[FeatureSpec, ...], options: FeaturesOptions) -> pa.Table:
    new = tables.files("transactions", "new") if options.only_new else None
    build_features(
        tables, PLAIN, label_delay=options.label_delay, period=options.period, specs=specs, run="r", only=new
    )
    (path,) = tables.files("evidence")
    return pq.ParquetFile(path).read()


def opened(root: Path, runs: list[list[Row]], said: list[Row]) -> FolderTables:
    lake = FolderTables(root / "lake")
    for table in TABLES:
        lake.prepare(table)
    for number, rows in enumerate(runs):
        publish(lake, "transactions", f"old{number}", lambda folder, rows=rows: write_by_date(folder, rows))
    if said:
        rows = [{**row, "source": None, "source_line": None} for row in said]
        table = pa.Table.from_pylist(rows, schema=LABELS)
        publish(lake, "labels", "said", lambda folder: pq.write_table(table, folder / "part-0.parquet"))
    return lake


@pytest.mark.parametrize("specs", ALL_SPECS)
@settings(deadline=None, max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(data=st.data(), delay=st.sampled_from([0, 1, 3]), span=st.one_of(st.none(), st.tuples(MOMENTS, MOMENTS)))
def test_evidence_with_the_chosen_history_is_that_with_the_whole_lake(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, delay: int, span: Any, specs: str
) -> None:
    """Of the new payments, whichever days they are of, or of a span; whatever was said of payments, and when."""
    rows = [data.draw(payments(number)) for number in range(data.draw(st.integers(4, 24)))]
    old, new = rows[3:], rows[: data.draw(st.integers(0, 3))]
    said = data.draw(said_labels([row["transaction_id"] for row in rows]))
    midnights = sorted(moment.replace(hour=0, minute=0, second=0, microsecond=0) for moment in span or ())
    since, until = midnights or (None, None)
    options = FeaturesOptions(mapping="plain", label_delay_days=delay, since=since, until=until, scope="new")
    root = tmp_path_factory.mktemp("execution")
    opened(root, [old[::2], old[1::2]], said)
    execution = Execution(root, new)
    choose_history(execution.collect, execution.collected, ALL_SPECS[specs], options)
    whole = evidence(execution.whole(), ALL_SPECS[specs], options)
    part = evidence(execution.chosen(), ALL_SPECS[specs], options)
    assert part.schema.equals(whole.schema)
    assert part.to_pylist() == whole.to_pylist()
