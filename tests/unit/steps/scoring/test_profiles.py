"""Logs of entities as histories."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from counterfoil.domain.features.spec import DAY, DEFAULT_SPECS, Aggregate, FeatureSpec, OwnEntity, specs_with
from counterfoil.domain.intake.requests import plain
from counterfoil.ports.service import LogPart
from counterfoil.steps.scoring.profiles import (
    ANY_LOGS,
    KEPT,
    History,
    Logs,
    entities_of,
    seen_by_windows,
    without_accounts,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOGS = ANY_LOGS
PAYMENT = {"transaction_id": "t", "event_time": NOON, "account_id": "a", "merchant_id": None, "source_ip_id": "s"}


def test_a_payment_is_in_the_logs_of_those_it_names() -> None:
    assert [entry.entity for entry in LOGS.payment_entries(PAYMENT)] == ["account:a", "source_ip:s"]


def test_the_last_word_on_a_label_holds_whatever_the_order_of_reading() -> None:
    labels = enumerate((1, None, 1, 0))
    said = [LOGS.label_entries(PAYMENT, label, NOON + timedelta(days=n), n)[0] for n, label in labels]
    for order in (said, said[::-1], [said[3], *said[:3], said[3]]):
        history = History()
        history.add(LogPart((*order, LOGS.payment_entries(PAYMENT)[0], LOGS.payment_entries(PAYMENT)[0]), 7))
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


def test_an_own_entity_has_the_log_of_its_account_or_one_of_its_own() -> None:
    entities = {"pair": ("email_id", "account_id"), "place": ("location",), "corner": ("shop_size", "location")}
    logs = Logs.of(specs_with(entities))
    assert logs.columns == ("account_id", "merchant_id", "source_ip_id", "location", "shop_size")
    assert logs.kept == (*KEPT, "location", "shop_size")
    payment = {**PAYMENT, "location": "l", "shop_size": "big"}
    entries = logs.payment_entries(payment)
    names = ["account:a", "source_ip:s", "own:location:l", "own:shop_size:big"]
    assert [entry.entity for entry in entries] == names
    assert [entities_of(entry.content) for entry in entries] == [names] * 4  # forgetting has only the entries
    assert [entry.entity for entry in logs.label_entries(payment, 1, NOON, 1)] == names
    assert Logs.of(DEFAULT_SPECS) == Logs()
    # A log that was begun for a release without these entities has what they need once it is built again.
    for order in ((LOGS, logs), (logs, LOGS)):
        history = History()
        history.add(LogPart(tuple(one.payment_entries(payment)[0] for one in order), 2))
        assert len({entry.entry_id for one in order for entry in one.payment_entries(payment)}) == 2
        [row] = history.rows()
        assert (row["location"], row["shop_size"]) == ("l", "big")


def test_a_kept_score_brings_the_same_entries_as_the_payment_itself() -> None:
    payment = {**PAYMENT, "amount": Decimal("8.9500")}
    assert LOGS.payment_entries(plain(payment)) == LOGS.payment_entries(payment)


def test_what_forgotten_accounts_made_or_were_paid_is_left_out() -> None:
    rows = {
        "own": {"account_id": "gone", "merchant_id": "m"}, "paid": {"account_id": "a", "merchant_id": "gone"},
        "kept": {"account_id": "a", "merchant_id": None},
    }  # fmt: skip
    assert set(without_accounts(rows, frozenset({"gone"}))) == {"kept"}
