"""Spark folds as the batch does, and as profiles do that see one payment after the other."""

import itertools
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from drawn_payments import DAY, Row, by_time, every_aggregate, learn, one_by_one, payment, tables
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from local_spark import assert_same, collected, configuration

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.adapters.spark.features import Transactions, build_features_with_spark, open_session
from counterfoil.adapters.spark.folding import features_frame
from counterfoil.domain.arrays import Doubles
from counterfoil.domain.features.fold import Kept, evidence_of
from counterfoil.domain.features.payments import microseconds
from counterfoil.domain.features.profile import Profile, Program
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.schemas import transactions_schema
from counterfoil.simulation import simulate
from counterfoil.simulation.dirt import as_csv
from counterfoil.steps.features import build_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.xdist_group("spark"),  # one JVM at a time
    pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed"),
]

ENTITIES = (Entity.ACCOUNT, Entity.ACCOUNT_CATEGORY, Entity.MERCHANT)
SPECS = tuple(spec for entity in ENTITIES for spec in every_aggregate(entity))
COLUMNS = ("account_id", "merchant_id", "source_ip_id")


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """Return a session on two cores; its workers are of this Python, else the first python3 of the PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = open_session(**configuration(tmp_path_factory.mktemp("spark")) | {"spark.master": "local[2]"})
        yield session
        session.stop()


@pytest.mark.parametrize(
    ("payments", "delay", "by_currency"),
    [(3, timedelta(0), True), (3, timedelta(hours=7, microseconds=1), False), (4096, DAY, True)],
)
def test_spark_is_the_batch_is_one_by_one(
    spark: "SparkSession", tmp_path: Path, payments: int, delay: timedelta, by_currency: bool
) -> None:
    """Many small pasts at once, as a job of Spark costs a second: each has accounts and merchants of its own."""
    program = Program(SPECS, microseconds(delay), by_currency, Kept(payments))
    pasts = [_apart(rows, number) for number, rows in enumerate(_drawn(examples(10)))]
    rows = [row for past in pasts for row in past]
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    batch = _values(evidence_of(table, SPECS, label_delay=delay, by_currency=by_currency, kept=program.kept))
    alone = one_by_one(rows, SPECS, lambda mine: Program(mine, program.label_delay, by_currency, program.kept))

    np.testing.assert_array_equal(list(batch.values()), alone)
    pq.write_table(table, tmp_path / "payments.parquet")
    for column in ("account_id", "merchant_id"):
        mine = [number for number, spec in enumerate(SPECS) if spec.entity.columns[0] == column]
        frame = features_frame(
            spark.read.parquet(str(tmp_path / "payments.parquet")), tuple(SPECS[number] for number in mine),
            column=column, partitions=2, wanted="TRUE", label_delay=delay, by_currency=by_currency, kept=program.kept,
        )  # fmt: skip
        found = _values(frame.toArrow())
        assert found.keys() == {row["transaction_id"] for row in rows if row[column] is not None}
        np.testing.assert_array_equal(list(found.values()), [batch[name][mine] for name in found])


@settings(deadline=None, max_examples=examples(25))
@given(
    rows=tables(), entity=st.sampled_from(ENTITIES), by_currency=st.booleans(),
    delay=st.sampled_from([timedelta(0), timedelta(hours=1), DAY]),
    late=st.lists(st.integers(1, 3), min_size=30, max_size=30),
)  # fmt: skip
def test_late_and_repeated_payments_give_the_batch_too(
    rows: list[Row], entity: Entity, by_currency: bool, delay: timedelta, late: list[int]
) -> None:
    """Up to three payments of an entity come in the wrong order, each twice; the next one's features are right."""
    kept, specs = Kept(3), every_aggregate(entity)
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    batch = _values(evidence_of(table, specs, label_delay=delay, by_currency=by_currency, kept=kept))
    for past in _by_entity(rows, entity):
        profile = Profile(Program(specs, microseconds(delay), by_currency, kept))
        turn = iter(late)
        while past:
            together, past = past[: (size := next(turn))], past[size:]
            np.testing.assert_array_equal(profile.features(payment(together[0])), batch[together[0]["transaction_id"]])
            for row in reversed(together):
                assert profile.add(payment(row))
                profile.add(payment(row))
            for row in together:
                learn(profile, row, delay)
        assert profile.late == 0


def _drawn(most: int) -> list[list[Row]]:
    """Return the tables that hypothesis draws as examples."""
    found: list[list[Row]] = []

    @settings(deadline=None, max_examples=most, database=None)
    @given(rows=tables())
    def keep(rows: list[Row]) -> None:
        found.append(rows)

    keep()
    return found


def _apart(rows: list[Row], number: int) -> list[Row]:
    """Return the payments as those of other accounts and merchants, under other ids."""
    named = dict.fromkeys(("transaction_id", *COLUMNS), f"{number}-")
    return [
        {**row, **{name: start + row[name] for name, start in named.items() if row[name] is not None}} for row in rows
    ]


def _by_entity(rows: list[Row], entity: Entity) -> list[list[Row]]:
    """Return each entity's payments in the order of time; those without the entity are left out."""
    pasts: dict[tuple[str, ...], list[Row]] = {}
    for row in by_time(rows):
        key = tuple(row[column] for column in entity.columns)
        if None not in key:
            pasts.setdefault(key, []).append(row)
    return list(pasts.values())


def _values(evidence: pa.Table) -> dict[str, Doubles]:
    """Return the features of each payment by its id, in the order of the specs; NaN is null."""
    names = [name for name in evidence.column_names if name in {spec.name for spec in SPECS}]
    values = np.stack([evidence[name].to_numpy() for name in names], axis=1)
    return dict(zip(evidence["transaction_id"].to_pylist(), values, strict=True))


def test_every_aggregate_over_hours_and_days(spark: "SparkSession", tmp_path: Path) -> None:
    """Also those that no default feature uses."""
    path, lake, mapping = tmp_path / "payments.csv", FolderTables(tmp_path / "lake"), "counterfoil-simulated"
    path.write_bytes(as_csv(simulate(accounts=20, merchants=30, days=30, start=date(2026, 1, 1), seed=4)))
    collected(lake, mapping, path)
    specs = tuple(
        FeatureSpec(*one) for one in itertools.product((Entity.ACCOUNT, Entity.SOURCE_IP), Aggregate, (6, 72))
    )
    options: dict[str, Any] = {"label_delay": timedelta(days=7), "specs": specs}
    rows = build_features(lake, load_mapping(mapping), **options)

    source = Transactions(tuple(map(str, lake.files("transactions"))), (), ())
    built = build_features_with_spark(spark, source, str(tmp_path / "spark"), load_mapping(mapping), **options)

    assert built == rows
    evidence = assert_same(sorted((tmp_path / "spark").glob("*.parquet")), lake.files("evidence"))
    assert all(pc.count_distinct(evidence[f"account_{name}_6h"]).as_py() > 2 for name in ("amount_sum", "merchants"))
    assert pc.count_distinct(evidence["account_quarter_share_3d"]).as_py() > 2
