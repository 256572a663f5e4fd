"""Pseudonyms are keyed, apart by kind, and the same for two spellings of one value."""

import hashlib
import hmac

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, hashed_again, pseudonymise, pseudonymise_accounts
from counterfoil.errors import UsageError

KEY = b"0123456789abcdef"
KINDS = ("account", "device", "source_ip", "email", "phone")


def hashed(value: str | None, kind: str = "account", key: bytes = KEY) -> str | None:
    result: str | None = pseudonymise(pa.array([value], pa.string()), kind, key)[0].as_py()
    return result


def test_it_is_hmac_sha256_of_kind_and_value() -> None:
    expected = hmac.new(KEY, b"email\0ann@example.org", hashlib.sha256).hexdigest()[:32]
    assert hashed(" Ann@Example.org ", "email") == expected


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", "A@b.org", "a@B.org "),
        ("phone", "+49 (30) 123-45", "493012345"),
        ("source_ip", "2001:DB8::0:1", "2001:db8:0:0:0:0:0:1"),
        ("source_ip", "::ffff:192.0.2.7", "192.0.2.7"),
        ("source_ip", "192.0.2.7:443", "192.0.2.7"),
        ("source_ip", "[2001:db8::1]:443", "2001:db8::1"),
        ("source_ip", "fe80::1%eth0", "fe80::1"),
        ("source_ip", "8.8.8.8, 10.0.0.1", "8.8.8.8"),
        ("source_ip", "Unknown", "unknown"),
        ("account", " 42", "42"),
        ("account", "DE89 3704 0044 0532 0130 00", "IBAN: de89370400440532013000"),
    ],
)
def test_two_spellings_are_one_pseudonym(kind: str, one: str, other: str) -> None:
    assert hashed(one, kind) == hashed(other, kind)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None))
def test_a_plain_ip_address_keeps_its_pseudonym(address: object) -> None:
    """Lakes and releases hold these: the message must stay what it was."""
    expected = hmac.new(KEY, b"source_ip\0" + str(address).encode(), hashlib.sha256).hexdigest()[:32]
    assert hashed(str(address), "source_ip") == expected


def test_accounts_keep_their_case() -> None:
    assert hashed("abc") != hashed("ABC")


def test_phones_without_digits_differ() -> None:
    assert hashed("withheld", "phone") != hashed("unknown", "phone")


def test_kinds_and_keys_are_apart() -> None:
    assert len({hashed("1234", kind) for kind in KINDS}) == len(KINDS)
    assert hashed("1234") != hashed("1234", key=b"another key of 16")


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8")))))
def test_nulls_stay_null_and_equal_values_stay_equal(values: list[str | None]) -> None:
    result = pseudonymise(pa.array(values, pa.string()), "account", KEY).to_pylist()
    assert len(result) == len(values)
    pairs = {(value or "").strip(): name for value, name in zip(values, result, strict=True)}
    for value, name in zip(values, result, strict=True):
        text = (value or "").strip()
        assert (name is None) == (text == "")
        assert pairs[text] == name
    assert len({name for name in pairs.values() if name}) == len({text for text in pairs if text})


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="5 bytes") as caught:
        hashed("x", key=b"short")
    assert "short'" not in str(caught.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no kind of pseudonym"):
        hashed("x", "name")


class TestKeys:
    old = PseudonymKeys((KEY,))
    new = old.followed_by(b"another key of mine")

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_was_kept_becomes_what_is_made_now(self, kind: str) -> None:
        values = pa.array(["Ann", "bob", None, " ", "Ann"])
        kept = pseudonymise(values, kind, self.old)
        assert hashed_again(kept, self.new.keys[-1]) == pseudonymise(values, kind, self.new)
        assert pseudonymise(values, kind, self.old) == pseudonymise(values, kind, KEY)

    def test_pseudonyms_of_two_keys_do_not_meet(self) -> None:
        values = pa.array([str(number) for number in range(100)])
        old, new = (set(pseudonymise(values, "account", keys).to_pylist()) for keys in (self.old, self.new))
        assert len(old) == len(new) == len(old | new) / 2 == 100

    def test_an_id_names_the_keys_and_tells_nothing_of_them(self) -> None:
        others = [
            PseudonymKeys((b"x" * 16,)),
            self.old,
            self.new,
            self.new.followed_by(KEY),
            PseudonymKeys(self.new.keys[::-1]),
        ]
        assert len({keys.key_id for keys in others}) == 5
        assert self.new.key_id == PseudonymKeys(self.new.keys).key_id
        assert len(self.new.key_id) == 12
        assert "key of mine" not in repr(self.new)

    def test_each_key_is_long_enough_and_there_is_one(self) -> None:
        for keys in ((), (b"short",), (KEY, b"short")):
            with pytest.raises(UsageError, match="pseudonym key"):
                PseudonymKeys(keys)

    def test_keys_follow_each_other(self) -> None:
        assert self.new.extend(self.old)
        assert not self.old.extend(self.new)
        assert not self.new.extend(self.new)
        assert not self.new.followed_by(KEY).extend(self.old)


def account(*parts: str | None) -> str | None:
    arrays = [pa.array([part], pa.string()) for part in parts]
    result: str | None = pseudonymise_accounts(arrays, KEY)[0].as_py()
    return result


_codes = st.text("0123456789:A", max_size=6)


@given(st.tuples(_codes, _codes, _codes), st.tuples(_codes, _codes, _codes))
def test_numbers_of_two_banks_are_two_accounts(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    def known(parts: tuple[str, str, str]) -> tuple[str, ...]:
        *banks, number = parts
        return (*(bank.replace(":", "") for bank in banks), number)  # a mark in a bank's code means nothing

    if not one[2] or not other[2]:
        assert one[2] or account(*one) is None
    else:
        assert (account(*one) == account(*other)) == (known(one) == known(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("01-10 42", "7"), ("011042", "7")),
        (("cobadeffxxx", "7"), ("COBADEFF", "7")),
        ((" 1 ", " 7 "), ("1", "7")),
        ((None, "7"), ("", "7")),
        (("1", None, "7"), ("1", "7")),
        (("COBADEFF", "DE89 3704 0044 0532 0130 00"), ("BANKDEFF", "de89370400440532013000")),
    ],
)
def test_two_spellings_of_a_bank_and_number_are_one_account(
    one: tuple[str | None, ...], other: tuple[str | None, ...]
) -> None:
    assert account(*one) == account(*other)


def test_an_iban_or_a_number_without_bank_is_hashed_as_in_one_column() -> None:
    assert account("COBADEFF", "DE89370400440532013000") == hashed("DE89370400440532013000")
    assert account(None, " 7") == account("7") == hashed("7")
    assert account("1", None) is None
    assert account("1", "7") not in (hashed("17"), hashed("1:17"), hashed("7"))


def test_accounts_of_banks_go_through_all_keys() -> None:
    keys = PseudonymKeys((KEY, b"fedcba9876543210"))
    parts = [pa.array(["1", None]), pa.array(["7", None])]
    assert pseudonymise_accounts(parts, keys) == hashed_again(pseudonymise_accounts(parts, KEY), keys.keys[1])
