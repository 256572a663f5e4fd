"""Payments that come one by one."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from counterfoil.adapters.files.mapping_files import load_mapping, shipped_mappings
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.intake.requests import canonical, clean_requests, flattened, plain, without_labels
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys

KEY = PseudonymKeys((b"0123456789abcdef",))
MAPPING = load_mapping("counterfoil-simulated")
SOURCE = {
    "payment_id": "p1", "paid_at": "2026-03-01T10:00:00Z", "amount": "12.5", "currency": "eur", "account": "A1",
    "merchant": "Shop", "device": "d", "ip_address": "198.51.100.7", "email": "A@Example.com",
    "merchant_category": "fuel", "card_bin": "123456",
}  # fmt: skip
CANONICAL = {
    "transaction_id": "p1", "event_time": "2026-03-01T11:00:00+01:00", "amount": "12.50", "currency": "EUR",
    "account": "A1", "merchant": "Shop", "device": "d", "source_ip": "198.51.100.7", "email": "a@example.com",
    "category": "fuel", "card_bin": "123456",
}  # fmt: skip


def read(payment: dict[str, Any], **given: Any) -> Any:
    return clean_requests([payment], canonical(MAPPING), key=KEY, **given)


def test_both_layouts_of_one_payment_are_one_content() -> None:
    ours = read(CANONICAL)
    theirs = clean_requests([SOURCE], without_labels(MAPPING), key=KEY)
    assert ours.hashes == theirs.hashes
    assert ours.payments.drop_columns(["source_line"]).equals(theirs.payments.drop_columns(["source_line"]))
    assert not ours.faults
    assert not theirs.faults


def test_what_the_mapping_has_worked_out_is_not_taken_over() -> None:
    assert "is_fraud" in MAPPING.source_columns
    assert "is_fraud" not in without_labels(MAPPING).source_columns
    labelled = clean_requests([{**SOURCE, "is_fraud": "1"}], without_labels(MAPPING), key=KEY)
    assert labelled.payments["label"].null_count == 1
    assert labelled.ignored == ("is_fraud",)


WITH_PAIRS = parse_mapping(
    """
[fields]
transaction_id = "id"
event_time = "at"
amount = "sum"
[evidence.numeric]
before = "Before"
after = "After"
[evidence.differences]
gone = ["before", "after"]
left = ["before", "amount"]
[evidence.ratios]
share = ["amount", "before"]
""",
    "pairs",
)


@pytest.mark.parametrize(
    ("before", "after", "gone", "left", "share"),
    [
        ("100", "60", 40.0, 87.5, 0.125),
        ("0", "60", -60.0, -12.5, None),
        ("", "60", None, None, None),
        ("-1.6e308", "1.6e308", None, -1.6e308, -12.5 / 1.6e308),
    ],
)
def test_pairs_of_numbers_are_the_same_in_a_file_and_in_a_single_payment(
    before: str, after: str, gone: float | None, left: float | None, share: float | None
) -> None:
    row = {"id": "p1", "at": "2026-03-01T10:00:00Z", "sum": "12.5", "Before": before, "After": after}
    whole = clean(pa.table({k: [v] for k, v in row.items()}), WITH_PAIRS, key=b"0" * 16, source="f", first_line=1,
                  content_hash="")  # fmt: skip
    evidence = {"before": before or None, "after": after}
    payment = {"transaction_id": "p1", "event_time": row["at"], "amount": "12.5", "evidence": evidence}
    alone = clean_requests([flattened(payment)], canonical(WITH_PAIRS), key=KEY)
    assert not alone.ignored
    for payments in (whole.transactions, alone.payments):
        assert payments.select(["gone", "left", "share"]).to_pylist() == [{"gone": gone, "left": left, "share": share}]


@pytest.mark.parametrize("name", shipped_mappings())
def test_every_mapping_has_a_canonical_layout(name: str) -> None:
    mapping = load_mapping(name)
    evidence = {
        **dict.fromkeys(mapping.numeric, "1.5"), **dict.fromkeys((*mapping.own_categorical, *mapping.own_textual), "x"),
    }  # fmt: skip
    when = f"{mapping.time.earliest.year + 1}-03-01T10:00:00Z"
    payment = flattened({"transaction_id": "t", "event_time": when, "amount": "3.10", "evidence": evidence})
    found = clean_requests([payment], canonical(mapping), key=KEY)
    assert not found.faults
    [row] = found.payments.to_pylist()
    assert row["transaction_id"] == "t"
    assert {name: row[name] for name in mapping.numeric} == dict.fromkeys(mapping.numeric, 1.5)
    assert found.payments.schema.equals(mapping.schema)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"transaction_id": None}, "id_missing"),
        ({"transaction_id": "  "}, "id_missing"),
        ({"event_time": "soon"}, "time_unreadable"),
        ({"event_time": "1969-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"event_time": "2026-03-03T00:00:01Z"}, "time_ahead"),
        ({"amount": None}, "amount_missing"),
        ({"amount": "-1"}, "amount_negative"),
        ({"amount": "1.23456"}, "amount_too_precise"),
        ({"currency": "EURO"}, "currency_unreadable"),
    ],
)
def test_a_payment_that_cannot_be_read_has_a_reason(changes: dict[str, Any], reason: str) -> None:
    arrivals = clean_requests(
        [CANONICAL, CANONICAL | {"transaction_id": "other"} | changes], canonical(MAPPING), key=KEY,
        latest=datetime(2026, 3, 3, tzinfo=UTC),
    )  # fmt: skip
    assert [(fault.index, fault.reason) for fault in arrivals.faults] == [(1, reason)]
    assert arrivals.payments["transaction_id"].to_pylist() == ["p1"]
    assert len(arrivals.hashes) == 1
    assert "A1" not in arrivals.faults[0].message


def test_a_forgotten_account_is_refused() -> None:
    account = read(CANONICAL).payments["account_id"][0].as_py()
    found = read(CANONICAL, forgotten=[account])
    assert [fault.reason for fault in found.faults] == ["account_forgotten"]


def test_a_source_without_ids_gets_them_from_the_content() -> None:
    mapping = load_mapping("ulb-credit-card")
    assert mapping.fields.transaction_id is None
    row = dict.fromkeys(without_labels(mapping).source_columns, "1")
    names = [
        clean_requests([one, one], without_labels(mapping), key=KEY).payments["transaction_id"].to_pylist()
        for one in (row, {**row, "V1": "2"})
    ]
    assert [len(set(pair)) for pair in names] == [1, 1]
    assert names[0] != names[1]


def test_money_and_times_are_text() -> None:
    row = {"amount": Decimal("129.9000"), "event_time": datetime(2026, 3, 1, tzinfo=UTC), "label": 1, "email_id": None}
    assert plain(row) == {"amount": "129.90", "event_time": "2026-03-01T00:00:00+00:00"}
    assert plain({"amount": Decimal("0.1234")}) == {"amount": "0.1234"}
    assert plain({"amount": Decimal("12345678901234.5")}) == {"amount": "12345678901234.50"}
