"""Keyed hashes that stand for people and devices, so that the raw value is never kept.

A key is changed by hashing the pseudonyms again with the next one: that needs no raw value, and what is kept goes
on joining. New values then go through all keys, so the older ones are still needed; but whoever has learned them
can no longer get from a person to the pseudonym.
"""

import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import is_empty
from counterfoil.domain.privacy.addresses import normal_address
from counterfoil.domain.privacy.ibans import normal_account, read_iban
from counterfoil.errors import UsageError

HEX_DIGITS = 32
"""128 bits: no two of a billion values meet by chance."""

MINIMUM_KEY_BYTES = 16

_ID_DIGITS = 12

_MARKS = re.compile(r"[\W_]+")
_HEAD_OFFICE = re.compile(r"[A-Z]{6}[A-Z0-9]{2}XXX")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")


@dataclass(frozen=True)
class PseudonymKeys:
    """The keys that a value goes through, the oldest first; each has 16 bytes at least. Raises UsageError."""

    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise UsageError("there is no pseudonym key: give one")
        for key in self.keys:
            if len(key) < MINIMUM_KEY_BYTES:
                raise UsageError(
                    f"the pseudonym key has {len(key)} bytes; give at least {MINIMUM_KEY_BYTES} random ones"
                )

    @property
    def key_id(self) -> str:
        """A name for these keys that can be shown (12 hex digits): what one makes, only the same ones can join."""
        return reduce(lambda name, key: _digest(key, f"key id\0{name}"), self.keys, "")[:_ID_DIGITS]

    def followed_by(self, key: bytes) -> "PseudonymKeys":
        """These keys and one more."""
        return PseudonymKeys((*self.keys, key))

    def extend(self, earlier: "PseudonymKeys") -> bool:
        """Whether these are the earlier keys and one more."""
        return self.keys[:-1] == earlier.keys


def pseudonymise(values: pa.Array, kind: str, key: bytes | PseudonymKeys) -> pa.Array:
    """Return the keyed hash (32 hex digits) of each text; nulls and blank texts become null.

    `kind` is account, device, source_ip, email or phone: the same text of two kinds has two hashes. Values
    are normalised first, so that one address in two spellings is one pseudonym. Each distinct value is
    hashed once. Raises UsageError if the key is too short or the kind is unknown.
    """
    first, *later = as_keys(key).keys
    if kind not in _NORMALISERS:
        raise UsageError(f"{kind!r} is no kind of pseudonym (known: {', '.join(_NORMALISERS)})")
    if is_empty(values):
        return values
    encoded = pc.cast(values, pa.string()).dictionary_encode()
    normalise = _NORMALISERS[kind]
    hashes = [keyed_hash(normalise(text.strip()), kind, first) for text in encoded.dictionary.to_pylist()]
    return reduce(hashed_again, later, pa.array(hashes, pa.string())).take(encoded.indices)


def pseudonymise_accounts(parts: Sequence[pa.Array], key: bytes | PseudonymKeys) -> pa.Array:
    """Return the keyed hash (32 hex digits) of each account; null where there is no number.

    The last of `parts` are the accounts' numbers, those before say whose they are: banks, branches. An IBAN says its
    bank itself, and a number without any of them stands alone: both are hashed as `pseudonymise` does. Otherwise the
    same number at two banks is two accounts. Raises UsageError if the key is too short.
    """
    texts = [pc.cast(part, pa.string()) for part in parts]
    if len(texts) == 1:
        return pseudonymise(texts[0], "account", key)
    first, *later = as_keys(key).keys
    each = pc.make_struct(*texts, field_names=[str(place) for place in range(len(texts))])
    rows = dict[tuple[str | None, ...], int]()
    places = pa.array([rows.setdefault(tuple(row.values()), len(rows)) for row in each.to_pylist()], pa.int64())
    hashes = [_hash_of(row, first) for row in rows]
    return reduce(hashed_again, later, pa.array(hashes, pa.string())).take(places)


def _hash_of(parts: tuple[str | None, ...], key: bytes) -> str | None:
    kind, text = _account_text(parts)
    return keyed_hash(text, kind, key)


def _account_text(parts: tuple[str | None, ...]) -> tuple[str, str]:
    """The kind of an account, and the text that stands for it: no two accounts have the same."""
    *banks, number = ((part or "").strip() for part in parts)
    if not number or not any(banks) or read_iban(number) is not None:
        return "account", normal_account(number)
    while not banks[-1]:  # a bank that has no branches, or whose branch is not told
        banks.pop()
    # With its length before each part, no part can pretend to be the beginning of the next.
    return "account of a bank", "".join(f"{len(bank)}:{bank}" for bank in map(_bank, banks)) + number


def _bank(text: str) -> str:
    """A bank's code in one spelling. The head office of a BIC may be written with or without its XXX."""
    code = _MARKS.sub("", text).upper()
    return code.removesuffix("XXX") if _HEAD_OFFICE.fullmatch(code) else code


def as_keys(key: bytes | PseudonymKeys) -> PseudonymKeys:
    """One key as the only one."""
    return key if isinstance(key, PseudonymKeys) else PseudonymKeys((key,))


def hashed_again(pseudonyms: pa.Array, key: bytes) -> pa.Array:
    """Return what pseudonyms become under the next key; nulls stay null."""
    encoded = pseudonyms.dictionary_encode()
    hashes = [_digest(key, f"pseudonym\0{name}")[:HEX_DIGITS] for name in encoded.dictionary.to_pylist()]
    return pa.array(hashes, pa.string()).take(encoded.indices)


def keyed_hash(text: str, kind: str, key: bytes) -> str | None:
    """Return the keyed hash (32 hex digits) of one text that needs no normalising; None of an empty one."""
    if not text:
        return None
    # The kind goes first and cannot hold a NUL, so no value of one kind can imitate another kind.
    return _digest(key, f"{kind}\0{text}")[:HEX_DIGITS]


def _digest(key: bytes, message: str) -> str:
    return hmac.digest(key, message.encode(), "sha256").hex()


def _phone(text: str) -> str:
    # A text without any digit ("withheld") stays what it is: it is no phone, but it is a value.
    return _NOT_A_DIGIT.sub("", text) or text


def _address(text: str) -> str:
    # A text without an address in it ("unknown") is a value all the same.
    return normal_address(text) or text.lower()


_NORMALISERS: dict[str, Callable[[str], str]] = {
    "account": normal_account,
    "device": str,
    "source_ip": _address,
    "email": str.lower,
    "phone": _phone,
}
