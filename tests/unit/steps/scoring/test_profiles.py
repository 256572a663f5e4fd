"""Logs of entities as histories."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from counterfoil.domain.features.spec import DAY, DEFAULT_SPECS, Aggregate, FeatureSpec, OwnEntity
from counterfoil.domain.intake.requests import plain
from counterfoil.errors import ReleaseMismatchError
from counterfoil.ports.service import LogPart
from counterfoil.steps.scoring.profiles import (
    History,
    label_entries,
    payment_entries,
    require_histories,
    seen_by_windows,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYMENT = {"transaction_id": "t", "event_time": NOON, "account_id": "a", "merchant_id": None, "source_ip_id": "s"}


def test_a_payment_is_in_the_logs_of_those_it_names() -> None:
    assert [entry.entity for entry in payment_entries(PAYMENT)] == ["account:a", "source_ip:s"]


def test_the_last_word_on_a_label_holds_whatever_the_order_of_reading() -> None:
    said = [label_entries(PAYMENT, label, NOON + timedelta(days=n), n)[0] for n, label in enumerate((1, None, 1, 0))]
    for order in (said, said[::-1], [said[3], *said[:3], said[3]]):
        history = History()
        history.add(LogPart((*order, payment_entries(PAYMENT)[0], payment_entries(PAYMENT)[0]), 7))
        [row] = history.rows()
        assert (row["label"], row["label_time"]) == (0, NOON + timedelta(days=3))
        assert history.position == 7


def test_only_what_windows_can_see_is_folded() -> None:
    specs = (
        FeatureSpec(OwnEntity("x", ("account_id",)), Aggregate.COUNT, DAY),
        FeatureSpec(OwnEntity("x", ("account_id",)), Aggregate.FRAUDS, 10 * DAY),
    )

    def row(name: str, days: float, **more: object) -> dict[str, object]:
        return {"transaction_id": name, "event_time": NOON - timedelta(days=days), **more}

    rows = [
        row("new", 0), row("edge", 8), row("old", 8.1), row("fraud", 16.9, label=1), row("old fraud", 17.1, label=1),
        row("late fraud", 300, label=1, label_time=NOON - timedelta(days=9)), row("good", 10, label=0),
    ]  # fmt: skip
    seen = seen_by_windows(rows, NOON, specs, timedelta(days=7))
    assert [one["transaction_id"] for one in seen] == ["new", "edge", "fraud", "late fraud"]


def test_where_good_labels_count_late_ones_are_folded_too() -> None:
    specs = (FeatureSpec(OwnEntity("x", ("account_id",)), Aggregate.JUDGED_FRAUD_RATE, DAY),)

    def row(name: str, days: float, **more: object) -> dict[str, object]:
        return {"transaction_id": name, "event_time": NOON - timedelta(days=days), **more}

    rows = [
        row("good", 8, label=0), row("old good", 9, label=0), row("nobody judged", 300, label_time=NOON),
        row("late good", 300, label=0, label_time=NOON - timedelta(days=1)),
    ]  # fmt: skip
    seen = seen_by_windows(rows, NOON, specs, timedelta(days=7))
    assert [one["transaction_id"] for one in seen] == ["good", "late good"]


def test_a_history_that_is_not_kept_is_refused() -> None:
    require_histories(DEFAULT_SPECS)
    require_histories([FeatureSpec(OwnEntity("pair", ("email_id", "account_id")), Aggregate.COUNT, DAY)])
    for columns in (("email_id",), ("account_id", "shop_size")):
        with pytest.raises(ReleaseMismatchError, match="place"):
            require_histories([FeatureSpec(OwnEntity("place", columns), Aggregate.COUNT, DAY)])


def test_a_kept_score_brings_the_same_entries_as_the_payment_itself() -> None:
    payment = {**PAYMENT, "amount": Decimal("8.9500")}
    assert payment_entries(plain(payment)) == payment_entries(payment)
