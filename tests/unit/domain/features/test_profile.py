"""One payment after the other through profiles gives the batch's evidence, also when little is kept."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from drawn_payments import DAY, EPOCH, START, Row, by_time, every_aggregate, learn, one_by_one, payment, tables
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.domain.features.fold import Kept, evidence_of
from counterfoil.domain.features.payments import microseconds
from counterfoil.domain.features.profile import Payment, Profile, Program, fold
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec
from counterfoil.domain.schemas import transactions_schema
from counterfoil.errors import StoreUnavailableError


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
    specs, kept = every_aggregate(entity), Kept(payments)
    table = pa.Table.from_pylist(rows, schema=transactions_schema())
    evidence = evidence_of(table, specs, label_delay=delay, by_currency=by_currency, kept=kept)
    found = one_by_one(rows, specs, lambda mine: Program(mine, microseconds(delay), by_currency, kept))
    for number, spec in enumerate(specs):
        expected = np.array(evidence[spec.name].to_pylist(), np.float64)
        np.testing.assert_array_equal([row[number] for row in found], expected, err_msg=spec.name)


@settings(deadline=None, max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(), kept=st.sampled_from([Kept(3), Kept(4096)]))
def test_a_payment_in_the_past_has_the_batchs_features_or_none(rows: list[Row], kept: Kept) -> None:
    specs = every_aggregate(Entity.MERCHANT)
    evidence = evidence_of(
        pa.Table.from_pylist(rows, schema=transactions_schema()), specs, label_delay=DAY, kept=kept
    ).to_pylist()
    mine = [row for row in by_time(rows) if row["merchant_id"] == "m"]
    profile = Profile(Program(specs, microseconds(DAY), kept=kept))
    for row in mine:
        profile.add(payment(row))
        learn(profile, row, DAY)
    expected = {row["transaction_id"]: [row[spec.name] for spec in specs] for row in evidence}
    found = [(row, profile.features_in_place(payment(row))) for row in mine]
    for row, features in found:
        if features is not None:
            np.testing.assert_array_equal(features, np.array(expected[row["transaction_id"]], np.float64))
    ticks = [payment(row).tick for row in mine]
    if kept.payments > len(rows) and max(ticks, default=0) - min(ticks, default=0) < profile.program.reach:
        assert all(features is not None for _, features in found), "nothing was added up or forgotten"


SPECS = every_aggregate(Entity.MERCHANT)
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
        learn(profile, row, DAY)
        learned = Profile.from_bytes(state, PROGRAM)
        learn(learned, row, DAY)
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
        profile.add_label(plain(number, number * 1800).tick + 1, fraud=True)
    hours = 72 + 24 + 2  # the longest window and the label delay
    assert (len(profile.rows), len(profile.frauds.moments), len(profile.judged.moments)) == (3, 4, 4)
    assert 90 < len(profile.tiles) <= hours
    assert 60 < len(profile.frauds.tiles) <= hours
    assert 60 < len(profile.judged.tiles) <= hours
    size = len(profile.to_bytes())
    assert profile.names == ["EUR", "a397", "a398", "a399", "m"]
    assert size < 14_000


def test_a_window_that_reaches_into_a_tile_takes_all_of_it() -> None:
    """Six payments of one hour, three kept: an hour later the window still has all six, then none."""
    spec = FeatureSpec(Entity.MERCHANT, Aggregate.COUNT, 1)
    profile = Profile(Program((spec,), 0, kept=Kept(3)))
    for number in range(6):
        profile.add(plain(number, 600 * number))
    assert profile.features(plain(9, 3600 + 1500)).tolist() == [4]  # exactly: the three that are kept, and itself
    assert profile.features(plain(9, 3600 + 1000)).tolist() == [7]  # the third of six is in, and its tile with it


WHOLE = Profile(PROGRAM).to_bytes()


@pytest.mark.parametrize(
    "state", [b"", b"CFPR", b"CFPR" + bytes(200), b"nonsense" * 20, WHOLE[:-1], WHOLE[:-6], WHOLE + b"]"]
)
def test_what_is_no_profile_is_refused(state: bytes) -> None:
    with pytest.raises(StoreUnavailableError, match="remove the profiles"):
        Profile.from_bytes(state, PROGRAM)
