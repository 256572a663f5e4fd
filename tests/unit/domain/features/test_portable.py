"""The portable query against the fast one, on small tables in which instants, entities and window ends coincide."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.domain.features.clock import CLOCK_QUERY, clock_for
from counterfoil.domain.features.portable import compile_portable
from counterfoil.domain.features.span import read_back
from counterfoil.domain.features.spec import DEFAULT_SPECS, Aggregate, Entity, FeatureSpec
from counterfoil.domain.features.sql import compile_features
from counterfoil.domain.periods import during
from counterfoil.domain.schemas import transactions_schema

Row = dict[str, Any]

START = datetime(2024, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = frozenset(column for entity in Entity for column in entity.columns)
ALL_SPECS = tuple(FeatureSpec(*one) for one in itertools.product(Entity, Aggregate, (1, 6, 72)))

MOMENTS = st.builds(
    lambda days, seconds: timedelta(days=days, seconds=seconds),
    st.integers(0, 9),
    st.sampled_from([0, 0, 0, 1, 3600, 21_599, 21_600, 86_399]),
)
FRACTIONS = st.sampled_from([0, 0, 1, 500_000, 999_999]).map(lambda micros: timedelta(microseconds=micros))
DELAYS = st.sampled_from([timedelta(0), timedelta(hours=1), DAY, 7 * DAY, timedelta(days=1.5, microseconds=1)])
# Negative and equal amounts, cents and the largest that may be.
AMOUNTS = st.sampled_from([None, *map(Decimal, ("10", "10", "-2.5", "0", "0.0001", "19.99", "999999999999.9999"))])


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    fractions = FRACTIONS if draw(st.booleans()) else st.just(timedelta(0))

    def row(number: int) -> Row:
        moment = START + draw(MOMENTS) + draw(fractions)
        late = draw(st.one_of(st.none(), MOMENTS))
        return {
            "transaction_id": f"t{number:03d}", "event_time": moment, "amount": draw(AMOUNTS),
            "currency": draw(st.sampled_from(["EUR", "EUR", "USD", None])),
            "account_id": draw(st.sampled_from(["a", "a", "b", None])),
            "merchant_id": draw(st.sampled_from(["m", "m", "n", None])),
            "source_ip_id": draw(st.sampled_from(["i", "i", "j", None])),
            "device_id": draw(st.sampled_from(["d", "e", None])),
            "category": draw(st.sampled_from(["c", "c", "d", None])),
            "label": draw(st.sampled_from([0, 1, 1, None])),
            "label_time": None if late is None else moment + late + draw(FRACTIONS),
            "source": "s", "source_line": number,
        }  # fmt: skip

    return [row(number) for number in draw(st.permutations(range(draw(st.integers(1, 20)))))]


def both(rows: list[Row], specs: tuple[FeatureSpec, ...], delay: timedelta, **options: Any) -> tuple[pa.Table, ...]:
    """The evidence by the fast query and by the portable one, in the order of the ids."""
    given = {"label_delay": delay, "present": COLUMNS, "own_columns": ("source_line",)} | options
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("transactions", pa.Table.from_pylist(rows, schema=transactions_schema()))
        [(whole_seconds, most_at_once)] = database.execute(CLOCK_QUERY).fetchall()
        clock = clock_for(whole_seconds, most_at_once)
        queries = compile_features(specs, clock=clock, **given), compile_portable(specs, **given)
        fast, portable = (database.sql(f"FROM ({query}) ORDER BY ALL").to_arrow_table() for query in queries)
    return fast, portable


def assert_same(fast: pa.Table, portable: pa.Table) -> None:
    """Integers, sums and nulls are equal; other amounts to 1e-9, and equal amounts deviate by 0 to their rounding."""
    assert portable.schema == fast.schema
    for name in fast.column_names:
        found, expected = portable[name].to_pylist(), fast[name].to_pylist()
        if "_amount_" not in name or "_amount_sum_" in name:
            assert found == expected, name
            continue
        for one, other in zip(found, expected, strict=True):
            assert one == (other if other is None else pytest.approx(other, rel=1e-9, abs=1e-12)), name


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS, by_currency=st.booleans())
def test_the_default_evidence_is_the_fast_query_s(rows: list[Row], delay: timedelta, by_currency: bool) -> None:
    assert_same(*both(rows, DEFAULT_SPECS, delay, by_currency=by_currency))


@pytest.mark.parametrize("entity", list(Entity))
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), delay=DELAYS, by_currency=st.booleans())
def test_every_aggregate_of_every_entity_is_the_fast_query_s(
    entity: Entity, rows: list[Row], delay: timedelta, by_currency: bool
) -> None:
    specs = tuple(spec for spec in ALL_SPECS if spec.entity is entity)
    assert_same(*both(rows, specs, delay, by_currency=by_currency))


def plain(number: int, moment: timedelta, **values: Any) -> Row:
    return {
        "transaction_id": f"t{number}", "event_time": START + moment, "amount": Decimal(number), "currency": "EUR",
        **dict.fromkeys(COLUMNS, "x"), "label": 1, "label_time": None, "source": "s", "source_line": number, **values,
    }  # fmt: skip


def test_the_largest_amount_leaves_with_its_window_wherever_blocks_begin() -> None:
    """Falling amounts: the largest is the oldest one that is still in, over many blocks of a day."""
    rows = [plain(99 - n, n * timedelta(hours=5)) for n in range(60)]
    specs = (FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_MAX, 24), FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, 24))
    _, portable = both(rows, specs, DAY)
    largest = portable.sort_by("event_time")["account_amount_max_1d"].to_pylist()
    assert largest == [99 - max(n - 4, 0) for n in range(60)]


def test_times_before_1970_are_like_others() -> None:
    old = datetime(1969, 12, 30, tzinfo=UTC) - START
    assert_same(*both([plain(n, old + n * timedelta(hours=7)) for n in range(20)], ALL_SPECS, DAY))


def test_features_of_an_absent_entity_are_null() -> None:
    rows = [plain(1, DAY, source_ip_id=None)]
    fast, portable = both(rows, DEFAULT_SPECS, DAY, present=COLUMNS - {"source_ip_id"})
    assert_same(fast, portable)
    assert portable["source_ip_count_1d"].to_pylist() == [None]


def test_evidence_without_features_has_the_other_columns() -> None:
    assert_same(*both([plain(1, DAY)], (), DAY))


def test_a_sum_is_null_once_all_amounts_have_left() -> None:
    rows = [plain(1, timedelta(0)), plain(2, 2 * DAY, amount=None), plain(3, 2.5 * DAY)]
    _, portable = both(rows, (FeatureSpec(Entity.ACCOUNT, Aggregate.AMOUNT_SUM, 24),), DAY)
    assert portable.sort_by("event_time")["account_amount_sum_1d"].to_pylist() == [1, None, 3]


def test_accounts_and_merchants_are_counted_apart_in_one_relation() -> None:
    """A merchant that is back before it left counts once, and leaves with its last payment."""
    pairs = [("a", "m"), ("b", "m"), ("a", "n"), ("a", "m"), ("b", None), (None, "n"), ("b", "m")]
    rows = [plain(n, n * timedelta(hours=6), account_id=a, merchant_id=m) for n, (a, m) in enumerate(pairs)]
    specs = tuple(
        FeatureSpec(Entity.SOURCE_IP, one, hours)
        for one, hours in itertools.product((Aggregate.ACCOUNTS, Aggregate.DISTINCT_MERCHANTS), (12, 18))
    )
    for evidence in both(rows, specs, DAY):
        ordered = evidence.sort_by("event_time")
        assert ordered["source_ip_accounts_12h"].to_pylist() == [1, 2, 2, 1, 2, 1, 1]
        assert ordered["source_ip_merchants_12h"].to_pylist() == [1, 1, 2, 2, 1, 1, 2]
        assert ordered["source_ip_accounts_18h"].to_pylist() == [1, 2, 2, 2, 2, 2, 1]
        assert ordered["source_ip_merchants_18h"].to_pylist() == [1, 1, 2, 2, 2, 2, 2]


def test_a_share_of_nothing_before_is_null_and_of_another_quarter_is_0() -> None:
    rows = [plain(n, n * timedelta(hours=6)) for n in range(5)]
    _, portable = both(rows, (FeatureSpec(Entity.ACCOUNT, Aggregate.QUARTER_SHARE, 25),), DAY)
    assert portable.sort_by("event_time")["account_quarter_share_25h"].to_pylist() == [None, 0, 0, 0, 0.25]


def test_no_frame_slides() -> None:
    """An engine that computes each frame anew would need the square of a busy merchant's payments."""
    query = compile_portable(ALL_SPECS, label_delay=DAY, present=COLUMNS, by_currency=True)
    assert query.count("ROWS BETWEEN") == query.count("ROWS BETWEEN UNBOUNDED PRECEDING") > 0
    assert "RANGE" not in query
    assert "POSITIONAL" not in query


class TestPeriod:
    def test_a_span_without_ends_is_everything(self) -> None:
        assert during(None, None) == "true"
        assert read_back(DEFAULT_SPECS, DAY, None, None) == "true"

    def test_a_period_has_the_evidence_it_has_within_all_payments(self) -> None:
        """Also where a fraud from long before became known in its windows."""
        rows = [plain(n, n * DAY, label_time=START + (n + 9) * DAY) for n in range(60)]
        rows.append(plain(90, timedelta(0), label_time=START + 50 * DAY))
        since, until = START + 45 * DAY, START + 55 * DAY
        condition = read_back(DEFAULT_SPECS, 2 * DAY, since, until)
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.register("payments_of_all_time", pa.Table.from_pylist(rows, schema=transactions_schema()))
            query = compile_portable(DEFAULT_SPECS, label_delay=2 * DAY, present=COLUMNS)
            found = []
            for seen in ("true", condition):
                database.execute(f"CREATE OR REPLACE VIEW transactions AS FROM payments_of_all_time WHERE {seen}")
                [(rows_seen,)] = database.execute("SELECT count(*) FROM transactions").fetchall()
                answer = database.sql(f"FROM ({query}) WHERE {during(since, until)} ORDER BY ALL").to_arrow_table()
                found.append((rows_seen, answer))
        (all_rows, whole), (some_rows, part) = found
        assert some_rows < all_rows
        assert part.num_rows == 10
        assert part.equals(whole)
