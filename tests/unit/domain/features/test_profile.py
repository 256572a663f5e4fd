"""One payment after the other through profiles gives the batch's evidence, also when little is kept."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.domain.features.fold import Kept, evidence_of
from counterfoil.domain.features.payments import microseconds
from counterfoil.domain.features.profile import Payment, Profile, Program, fold
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.schemas import transactions_schema
from counterfoil.errors import StoreUnavailableError

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2024, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
HOURS = (1, 6, 72)

MOMENTS = st.builds(
    lambda hours, seconds: timedelta(hours=hours, seconds=seconds),
    st.integers(0, 130),
    st.sampled_from([0, 0, 0, 1, 1800, 3599]),
)
AMOUNTS = st.sampled_from([None, *map(Decimal, ("10", "10", "-2.5", "0", "0.0001", "19.99", "999999999999.9999"))])


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    def row(number: int) -> Row:
        moment = START + draw(MOMENTS)
        late = draw(st.one_of(st.none(), MOMENTS))
        return {
            "transaction_id": f"t{number:03d}", "event_time": moment, "amount": draw(AMOUNTS),
            "currency": draw(st.sampled_from(["EUR", "EUR", "USD", None])),
            "account_id": draw(st.sampled_from(["a", "a", "b", None])),
            "merchant_id": draw(st.sampled_from(["m", "m", "n", None])),
            "source_ip_id": draw(st.sampled_from(["i", "i", "j", None])),
            "device_id": "d", "category": draw(st.sampled_from(["c", "d", None])),
            "label": draw(st.sampled_from([0, 1, 1, None])),
            "label_time": None if late is None else moment + late,
            "source": "s", "source_line": number,
        }  # fmt: skip

    return [row(number) for number in draw(st.permutations(range(draw(st.integers(1, 30)))))]


def payment(row: Row) -> Payment:
    minor = None if row["amount"] is None else int(row["amount"] * 10_000)
    tick = microseconds(row["event_time"] - EPOCH)
    return Payment(row["transaction_id"], tick, minor, row["currency"], row["account_id"], row["merchant_id"])


def known(row: Row, delay: timedelta) -> int:
    """When a fraud counts in microseconds: never at its payment's own instant."""
    moment = max(row["label_time"] or row["event_time"], row["event_time"] + delay)
    return max(microseconds(moment - EPOCH), microseconds(row["event_time"] - EPOCH) + 1)


def by_time(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["event_time"], row["transaction_id"]))


def one_by_one(rows: list[Row], specs: tuple[FeatureSpec, ...], program: Any, delay: timedelta) -> list[list[float]]:
    """The features of each payment, of profiles that learn of payments and of frauds as they happen."""
    profiles: dict[tuple[Any, ...], Profile] = {}
    found = []
    for row in by_time(rows):
        values = np.full(len(specs), np.nan)
        for entity in dict.fromkeys(spec.entity for spec in specs):
            key = (entity, *(row[column] for column in entity.columns))
            if None in key:
                continue
            places = [n for n, spec in enumerate(specs) if spec.entity is entity]
            profile = profiles.setdefault(key, Profile(program(tuple(specs[n] for n in places))))
            values[places] = profile.features(payment(row))
            assert profile.add(payment(row))
            if row["label"] == 1:
                profile.add_fraud(known(row, delay))
        found.append(values.tolist())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("entity", [Entity.ACCOUNT, Entity.MERCHANT, Entity.ACCOUNT_CATEGORY])
@pytest.mark.parametrize("payments", [3, 4096])
@settings(deadline=None, max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=tables(), by_currency=st.booleans(),
    delay=st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(hours=7, microseconds=1), DAY]),
)  # fmt: skip
def test_one_by_one_is_the_batch(
    entity: Entity, payments: int, rows: list[Row], by_currency: bool, delay: timedelta
) -> None:
    specs = tuple(FeatureSpec(entity, aggregate, hours) for aggregate in Aggregate for hours in HOURS)
    kept = Kept(payments)
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    evidence = evidence_of(table, specs, label_delay=delay, by_currency=by_currency, kept=kept)
    found = one_by_one(rows, specs, lambda mine: Program(mine, microseconds(delay), by_currency, kept), delay)
    for number, spec in enumerate(specs):
        expected = np.array(evidence[spec.name].to_pylist(), np.float64)
        np.testing.assert_array_equal([row[number] for row in found], expected, err_msg=spec.name)


SPECS = tuple(FeatureSpec(Entity.MERCHANT, aggregate, hours) for aggregate in Aggregate for hours in HOURS)
PROGRAM = Program(SPECS, microseconds(DAY), by_currency=True, kept=Kept(3))


def plain(number: int, seconds: int, **values: Any) -> Payment:
    given = {"minor": 10_000 * number, "currency": "EUR", "account_id": "a", "merchant_id": "m"} | values
    return Payment(f"t{number:03d}", microseconds(START - EPOCH) + seconds * 1_000_000, **given)


@settings(deadline=None, max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables())
def test_a_state_of_bytes_is_as_good_as_the_profile(rows: list[Row]) -> None:
    profile, state = Profile(PROGRAM), None
    for row in by_time(rows):
        one = payment(row)
        expected = profile.features(one)
        profile.add(one)
        state, found = fold(state, one, PROGRAM)
        np.testing.assert_array_equal(found, expected)
        assert state == profile.to_bytes()
        if row["label"] == 1:
            profile.add_fraud(known(row, DAY))
            learned = Profile.from_bytes(state, PROGRAM)
            learned.add_fraud(known(row, DAY))
            state = learned.to_bytes()


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), rows=tables())
def test_payments_in_another_order_or_twice_give_the_same_state_unless_told(
    data: st.DataObject, rows: list[Row]
) -> None:
    right, other = Profile(PROGRAM), Profile(PROGRAM)
    for row in by_time(rows):
        assert right.add(payment(row))
    refused = 0
    for row in data.draw(st.permutations(rows)):
        refused += not other.add(payment(row))
        if data.draw(st.booleans()):
            late = other.late
            other.add(payment(row))  # a repetition
            refused += other.late - late
    assert other.late == refused
    if refused:
        assert len(right.rows) >= len(other.rows)
    else:
        assert other.to_bytes() == right.to_bytes()


def test_a_late_payment_goes_where_it_belongs_until_its_place_was_added_up() -> None:
    profile = Profile(PROGRAM)
    for number in (1, 2, 4, 5):
        assert profile.add(plain(number, number))
    assert profile.add(plain(3, 3))
    assert profile.ids == ["t003", "t004", "t005"]
    assert not profile.add(plain(0, 0))
    assert not profile.add(plain(5, 5))  # again: no harm, and not late
    assert profile.late == 1
    assert profile.tiles[:, 1].tolist() == [2]


def test_a_profile_is_bounded_however_many_payments_come() -> None:
    profile = Profile(PROGRAM)
    for number in range(400):
        profile.features(plain(number, number * 1800, account_id=f"a{number}"))
        profile.add(plain(number, number * 1800, account_id=f"a{number}"))
        profile.add_fraud(plain(number, number * 1800).tick + 1)
    hours = 72 + 24 + 2  # the longest window and the label delay
    assert (len(profile.rows), len(profile.arrivals)) == (3, 4)
    assert 90 < len(profile.tiles) <= hours
    assert 60 < len(profile.arrival_tiles) <= hours
    size = len(profile.to_bytes())
    assert profile.names == ["EUR", "a397", "a398", "a399", "m"]
    assert size < 12_000


def test_a_window_that_reaches_into_a_tile_takes_all_of_it() -> None:
    """Six payments of one hour, three kept: an hour later the window still has all six, then none."""
    spec = FeatureSpec(Entity.MERCHANT, Aggregate.COUNT, 1)
    profile = Profile(Program((spec,), 0, kept=Kept(3)))
    for number in range(6):
        profile.add(plain(number, 600 * number))
    assert profile.features(plain(9, 3600 + 1500)).tolist() == [4]  # exactly: the three that are kept, and itself
    assert profile.features(plain(9, 3600 + 1000)).tolist() == [7]  # the third of six is in, and its tile with it


@pytest.mark.parametrize("state", [b"", b"CFPR", b"CFPR" + bytes(200), b"nonsense" * 20])
def test_what_is_no_profile_is_refused(state: bytes) -> None:
    with pytest.raises(StoreUnavailableError, match="remove the profiles"):
        Profile.from_bytes(state, PROGRAM)
