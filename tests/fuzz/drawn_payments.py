"""Random payments with ties, several currencies and null entities, and what profiles say of them one by one."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from counterfoil.domain.features.payments import microseconds
from counterfoil.domain.features.profile import Payment, Profile, Program
from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2024, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
HOURS = (1, 6, 72)


def every_aggregate(entity: Entity) -> tuple[FeatureSpec, ...]:
    """Return all aggregates of an entity over windows of hours and of days."""
    return tuple(FeatureSpec(entity, aggregate, hours) for aggregate in Aggregate for hours in HOURS)


MOMENTS = st.builds(
    lambda hours, seconds: timedelta(hours=hours, seconds=seconds),
    st.integers(0, 130),
    st.sampled_from([0, 0, 0, 1, 1800, 3599]),
)
AMOUNTS = st.sampled_from([None, *map(Decimal, ("10", "10", "-2.5", "0", "0.0001", "19.99", "999999999999.9999"))])


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Draw up to 30 payments, in the order in which they come: that of neither time nor id."""

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
    """Return the row as profiles take it."""
    minor = None if row["amount"] is None else int(row["amount"] * 10_000)
    tick = microseconds(row["event_time"] - EPOCH)
    return Payment(row["transaction_id"], tick, minor, row["currency"], row["account_id"], row["merchant_id"])


def learn(profile: Profile, row: Row, delay: timedelta) -> None:
    """Count the label of a row, if it has one."""
    if row["label"] is not None:
        profile.add_label(known(row, delay), fraud=row["label"] == 1)


def known(row: Row, delay: timedelta) -> int:
    """Return when a label counts, in microseconds: never at its payment's own instant."""
    moment = max(row["label_time"] or row["event_time"], row["event_time"] + delay)
    return max(microseconds(moment - EPOCH), microseconds(row["event_time"] - EPOCH) + 1)


def by_time(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order of time, then of id."""
    return sorted(rows, key=lambda row: (row["event_time"], row["transaction_id"]))


def one_by_one(
    rows: Iterable[Row], specs: tuple[FeatureSpec, ...], program: Callable[[tuple[FeatureSpec, ...]], Program]
) -> list[list[float]]:
    """Return each payment's features, of profiles that learn of payments and of labels as they happen."""
    profiles: dict[tuple[Any, ...], Profile] = {}
    delay = timedelta(microseconds=program(specs).label_delay)
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
            learn(profile, row, delay)
        found.append(values.tolist())
    return found
