"""Keyed hashes that stand for people and devices, so that the raw value is never kept.

A key is changed by hashing the pseudonyms again with the next one: that needs no raw value, and what is kept goes
on joining. New values then go through all keys, so the older ones are still needed; but whoever has learned them
can no longer get from a person to the pseudonym.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.privacy.addresses import normal_address
from counterfoil.errors import UsageError

HEX_DIGITS = 32
"""128 bits: no two of a billion values meet by chance."""

MINIMUM_KEY_BYTES = 16

_ID_DIGITS = 12

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
    encoded = pc.cast(values, pa.string()).dictionary_encode()
    normalise = _NORMALISERS[kind]
    hashes = [keyed_hash(normalise(text.strip()), kind, first) for text in encoded.dictionary.to_pylist()]
    return reduce(hashed_again, later, pa.array(hashes, pa.string())).take(encoded.indices)


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
    "account": str,
    "device": str,
    "source_ip": _address,
    "email": str.lower,
    "phone": _phone,
}
