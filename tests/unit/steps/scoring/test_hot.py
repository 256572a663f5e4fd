"""Hot profiles, held against the batch's own fold over all payments."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import FeatureSpec, specs_with
from counterfoil.domain.schemas import TRANSACTION_FIELDS
from counterfoil.ports.service import Entry, LogPart
from counterfoil.steps.scoring.hot import Behaviour, HotLogs
from counterfoil.steps.scoring.online_evidence import evidence_of
from counterfoil.steps.scoring.profiles import Logs, as_transactions

START = datetime(2026, 1, 1, tzinfo=UTC)
DELAY = timedelta(days=2)
SCHEMA = pa.schema([*TRANSACTION_FIELDS, pa.field("location", pa.string())])
OWN = {"payer_kind": ("account_id", "category"), "place": ("location",), "device_at": ("device_id", "location")}
SPECS: tuple[FeatureSpec, ...] = specs_with(OWN)
"""Those of the mapping's own entities tell good labels from none."""
LOGS = Logs.of(SPECS)


class Listed:
    """A ProfileStore as a list; a reader gets the last few entries of each entity again."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> None:
        there = {(one.entity, one.entry_id) for one in self.entries}
        self.entries += [one for one in entries if (one.entity, one.entry_id) not in there]

    def read(self, positions: Mapping[str, int]) -> dict[str, LogPart]:
        end = len(self.entries)
        return {
            entity: LogPart(
                tuple(
                    sorted(
                        (one for one in self.entries[max(since - 5, 0) :] if one.entity == entity),
                        key=lambda one: (one.at, one.entry_id),
                    )
                ),
                end,
            )
            for entity, since in positions.items()
        }

    def expire(self, before: datetime) -> int:
        raise NotImplementedError(before)

    def forget(self, entities: Collection[str], transactions: Collection[str]) -> int:
        raise NotImplementedError(entities, transactions)

    def ping(self) -> None:
        return


def drawn(rows: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    minutes = np.sort(rng.integers(0, 40 * 24 * 60, rows))
    return [
        {
            "transaction_id": f"t{number:04d}",
            "event_time": START + timedelta(minutes=int(minutes[number])),
            "amount": None if rng.random() < 0.1 else Decimal(int(rng.integers(1, 50_000))) / 100,
            "currency": "EUR" if rng.random() < 0.8 else "USD",
            "account_id": f"a{rng.integers(4)}",
            "merchant_id": None if rng.random() < 0.1 else f"m{rng.integers(5)}",
            "device_id": f"d{rng.integers(3)}",
            "source_ip_id": None if rng.random() < 0.2 else f"s{rng.integers(4)}",
            "category": f"c{rng.integers(3)}",
            "location": None if number % 10 == 3 else f"l{number * 7 % 11 % 3}",
        }
        for number in range(rows)
    ]


def folded(rows: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> np.ndarray:
    table = as_transactions(rows, SCHEMA)
    found = evidence_of(table, SPECS, wanted, label_delay=DELAY, by_currency=True)
    assert set(CYCLES) <= set(found.column_names)
    return np.column_stack([found[spec.name].to_numpy() for spec in SPECS])


def logs(store: Listed) -> HotLogs:
    return HotLogs(store, Behaviour.of(SPECS, DELAY, by_currency=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_two_processes_say_what_the_fold_says(seed: int) -> None:
    store, rows = Listed(), drawn(240, seed)
    processes = [logs(store), logs(store)]
    rng = np.random.default_rng(seed)
    known: dict[str, tuple[int | None, datetime]] = {}
    seen: list[dict[str, Any]] = []
    for start in range(0, len(rows), 6):
        batch = rows[start : start + 6]
        now = batch[0]["event_time"]
        for old in seen[-60::7]:
            if rng.random() < 0.3:
                label = {1: None, None: 0, 0: 1}[known.get(old["transaction_id"], (0,))[0]]
                known[old["transaction_id"]] = label, now
                store.append(LOGS.label_entries(old, label, now, start))
        ours = processes[int(rng.integers(2))]
        ours.read(batch)
        features, unsaid = ours.features(batch)
        assert not unsaid
        store.append([entry for row in batch for entry in LOGS.payment_entries(row)])
        seen += batch
        told = [{**row, **_label(known, row["transaction_id"])} for row in seen]
        theirs = folded(told, [row["transaction_id"] for row in batch])
        np.testing.assert_allclose(features, theirs, rtol=1e-9, atol=1e-12)


def _label(known: Mapping[str, tuple[int | None, datetime]], name: str) -> dict[str, Any]:
    label, at = known.get(name, (None, None))
    return {"label": label, "label_time": at}


def remembering(rows: Sequence[Mapping[str, Any]]) -> HotLogs:
    """Logs that have these payments."""
    store = Listed()
    ours = logs(store)
    for row in rows:
        ours.read([row])
        _, unsaid = ours.features([row])
        assert not unsaid
        store.append(LOGS.payment_entries(row))
    return ours


def test_a_payment_that_comes_late_or_again_has_what_was_before_it() -> None:
    rows = drawn(20, 3)
    ours = remembering(rows[:19])
    late = {**rows[5], "transaction_id": "late"}
    ours.read([rows[19], late])
    features, unsaid = ours.features([late, rows[18], rows[19]])
    assert not unsaid
    expected = folded([*rows, late], ["late", "t0018", "t0019"])
    np.testing.assert_allclose(features, expected, rtol=1e-9, atol=1e-12)


def test_what_a_profile_cannot_say_is_not_guessed() -> None:
    rows = drawn(6, 3)
    years_later = [{**row, "event_time": row["event_time"] + timedelta(days=800)} for row in rows]
    ours = remembering([*rows, *({**row, "transaction_id": f"n{row['transaction_id']}"} for row in years_later)])
    late = {**rows[3], "transaction_id": "late"}
    nothing_of_it_is_read = {**rows[3], "transaction_id": "new", "account_id": "another"}
    ours.read([late])
    assert ours.features([late, nothing_of_it_is_read])[1] == [0, 1]


def test_without_history_payments_see_each_other_alone() -> None:
    rows = drawn(60, 6)
    ours = remembering(rows[:30])
    features, unsaid = ours.without_history(rows[30:]).features(rows[30:])
    assert not unsaid
    expected = folded(rows[30:], [row["transaction_id"] for row in rows[30:]])
    np.testing.assert_allclose(features, expected, rtol=1e-9, atol=1e-12)


def test_payments_that_were_not_kept_are_not_remembered() -> None:
    store, rows = Listed(), drawn(3, 4)
    rows = [{**row, "account_id": "a", "merchant_id": "m", "source_ip_id": "s"} for row in rows]
    ours = logs(store)
    ours.read(rows[:1])
    assert not ours.features(rows[:1])[1]
    ours.forget(rows[:1])
    ours.read(rows[1:2])
    found, unsaid = ours.features(rows[1:2])
    assert not unsaid
    np.testing.assert_allclose(found, folded(rows[1:2], ["t0001"]), rtol=1e-9, atol=1e-12)
