"""Card numbers are found however they are written, cut down, and never quoted; other numbers stay."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.privacy.card_numbers import (
    are_card_numbers,
    ids_without_card_numbers,
    is_card_number,
    without_card_numbers,
)
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys

KEY = b"0123456789abcdef"
# Numbers that the networks publish for tests.
CARDS = [
    "4111111111111111", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005",
    "6011111111111117", "3530111333300000", "30569309025904", "6304000000000000", "6212345678901232",
]  # fmt: skip


def cut(text: str | None) -> str | None:
    (found,) = without_card_numbers(pa.array([text], pa.string())).to_pylist()
    return None if found is None else str(found)


@pytest.mark.parametrize("number", CARDS)
@pytest.mark.parametrize("separator", ["", " ", "-", "\u00a0", " - "])
def test_a_card_number_is_cut_however_it_is_written(number: str, separator: str) -> None:
    written = separator.join(number[start : start + 4] for start in range(0, len(number), 4))
    kept = f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"
    assert cut(written) == kept
    assert cut(f"paid with {written}, thanks") == f"paid with {kept}, thanks"
    assert cut(f"{written}/{number}") == f"{kept}/{kept}"


def test_a_card_number_is_found_among_other_numbers() -> None:
    assert cut("order 12 4111 1111 1111 1111 12/27") == "order 12 411111******1111 12/27"
    assert cut("4111 1111 1111 1111 123") == "411111******1111 123"
    assert cut("%B4111111111111111^A/B^2712101") == "%B411111******1111^A/B^2712101"
    assert cut("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1") == "411111******1111"


@pytest.mark.parametrize(
    "text",
    [
        None, "", "4111111111111112", "411111111111", "41111111111111111111111", "1711111111111", "20240101123456",
        "0000000000000000", "Bakery 24", "4111.1111.1111.1111", "DE89 3704 0044 0532 0130 00x", "4111_1111_1111_1111",
    ],
)  # fmt: skip
def test_other_texts_stay(text: str | None) -> None:
    assert cut(text) == text


@pytest.mark.slow
def test_milliseconds_and_dates_are_no_card_numbers() -> None:
    start = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    for day in range(2000):
        moment = datetime.fromtimestamp(start + day * 86_413, UTC)
        for text in (f"{moment.timestamp() * 1000:.0f}", f"{moment:%Y%m%d%H%M%S}", f"{moment:%Y%m%d%H%M%S%f}"):
            assert cut(text) == text


def test_ids_stay_different_and_are_the_same_again() -> None:
    # Numbers with the same first six and last four digits.
    middles = (f"411111{middle:06}1111" for middle in range(200))
    twins = [number for number in middles if is_card_number(number)]
    twins.append(f"{twins[0][:4]} {twins[0][4:8]} {twins[0][8:12]} {twins[0][12:]}")
    assert len(twins) > 10
    found = ids_without_card_numbers(pa.array(twins), KEY).to_pylist()
    assert len(set(found)) == len(twins) - 1
    assert found[0] == found[-1]
    assert all(id_.startswith("411111******1111-") and len(id_) == 17 + 32 for id_ in found)
    assert found != ids_without_card_numbers(pa.array(twins), KEY[::-1]).to_pylist()


def test_an_id_made_of_a_card_number_stays_the_same_id_when_keys_change() -> None:
    mapping = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\n', "shop")
    batch = pa.table({"id": [CARDS[0]], "t": ["2024-01-01"]})
    ids = [
        clean(batch, mapping, key=keys, source="s", first_line=2, content_hash="0").transactions["transaction_id"]
        for keys in (PseudonymKeys((KEY,)), PseudonymKeys((KEY, KEY[::-1])), PseudonymKeys((KEY[::-1],)))
    ]
    assert ids[0].equals(ids[1])
    assert not ids[0].equals(ids[2])


@pytest.mark.slow
def test_hashes_and_uuids_are_left_alone() -> None:
    """418 of 301,829 ids of real payments were changed before."""
    hashes = [hashlib.md5(b"%d" % number).hexdigest() for number in range(4000)]
    uuids = [str(UUID(text)) for text in hashes]
    sha256 = [hashlib.sha256(text.encode()).hexdigest().upper() for text in hashes]
    alike = [text for text in hashes if any(map(is_card_number, re.findall("[0-9]+", text)))]
    assert alike
    for text in (*hashes, *uuids, *sha256):
        assert cut(text) == text
    assert ids_without_card_numbers(pa.array(alike), KEY).to_pylist() == alike


@pytest.mark.parametrize("beside", ["0123456789abcdef" * 2, "123e4567-e89b-12d3-a456-426614174000"])
def test_a_card_number_beside_a_hash_is_cut_all_the_same(beside: str) -> None:
    for pattern in ("{} {}", "{}, {}"):
        assert cut(pattern.format(beside, "4111 1111 1111 1111")) == pattern.format(beside, "411111******1111")
        assert cut(pattern.format("4111111111111111", beside)) == pattern.format("411111******1111", beside)


def test_a_card_number_among_letters_that_are_no_hash_is_cut() -> None:
    assert cut("card4111111111111111") == "card411111******1111"
    assert cut("4111111111111111abcdef") == "411111******1111abcdef"


def test_only_whole_texts_count_as_numbers() -> None:
    texts = pa.array(["4111111111111111", None, "4111111111111112", "4111111111111111.5", "x4111111111111111"])
    assert are_card_numbers(texts).tolist() == [True, False, False, False, False]


@given(st.text(st.sampled_from("0123456789 -x"), max_size=60))
def test_nothing_is_left_that_is_a_card_number(text: str) -> None:
    kept = cut(text)
    assert kept is not None
    assert cut(kept) == kept
    if kept == text:
        return
    digits = "".join(sign for sign in text if sign.isdigit())
    assert any(is_card_number(digits[i : i + n]) for n in range(13, 20) for i in range(len(digits)))


MAPPING = """
[fields]
transaction_id = "id"
event_time = "t"
merchant = "m"
category = "k"
account = "who"
source_ip = "ip"
currency = "cur"
amount = "a"
card_bin = "bin"
label = "l"
label_time = "lt"
[labels]
fraud = ["1"]
good = ["0"]
[evidence.numeric]
n = "num"
[evidence.categorical]
c = "cat"
[evidence.textual]
x = "txt"
"""
GOOD = {
    "id": "1", "t": "2024-01-01", "m": "Shop", "k": "food", "who": "ann", "ip": "192.0.2.1", "cur": "EUR", "a": "1",
    "bin": "411111", "l": "0", "lt": None, "num": "1", "cat": "c", "txt": "x",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("column", GOOD)
@pytest.mark.parametrize("written", ["{}", " {} ", "see {}", "{} 7"])
@pytest.mark.parametrize("number", ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"])
def test_no_column_lets_a_card_number_through(column: str, written: str, number: str) -> None:
    mapping = parse_mapping(MAPPING, "cards")
    bad: dict[str, Any] = {**GOOD, column: written.format(number)}
    batch = pa.table({name: pa.array([GOOD[name], bad[name]], pa.string()) for name in mapping.source_columns})
    result = clean(batch, mapping, key=KEY, source="f", first_line=1, content_hash="c")
    assert result.transactions.num_rows + result.rejected.num_rows == 2
    for table in (result.transactions, result.rejected, result.addresses):
        digits = "".join(sign for sign in repr(table.to_pylist()) if sign not in " -")
        assert "4111111111111111" not in digits
        assert "4.111111111111111" not in digits


@pytest.mark.parametrize("values", [pa.array([1, 4111111111111111]), pa.array([1.0, 4111111111111111.0])])
def test_a_number_that_is_a_card_number_costs_its_row(values: pa.Array) -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\n[evidence.numeric]\nn = "num"\n', "cards")
    batch = pa.table({"t": ["2024-01-01", "2024-01-01"], "num": values})
    result = clean(batch, mapping, key=KEY, source="f", first_line=1, content_hash="c")
    assert [(row["source_line"], row["reason"]) for row in result.rejected.to_pylist()] == [
        (2, "card_number_unexpected")
    ]
