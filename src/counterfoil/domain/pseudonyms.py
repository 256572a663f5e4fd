"""Keyed hashes that stand for people and devices, so that the raw value is never kept."""

import hmac
import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.addresses import normal_address
from counterfoil.errors import UsageError

HEX_DIGITS = 32
"""128 bits: no two of a billion values meet by chance."""

MINIMUM_KEY_BYTES = 16

_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def pseudonymise(values: pa.Array, kind: str, key: bytes) -> pa.Array:
    """Return the keyed hash (32 hex digits) of each text; nulls and blank texts become null.

    `kind` is account, device, source_ip, email or phone: the same text of two kinds has two hashes. Values
    are normalised first, so that one address in two spellings is one pseudonym. Each distinct value is
    hashed once. Raises UsageError if the key is too short or the kind is unknown.
    """
    if len(key) < MINIMUM_KEY_BYTES:
        raise UsageError(f"the pseudonym key has {len(key)} bytes; give at least {MINIMUM_KEY_BYTES} random ones")
    if kind not in _NORMALISERS:
        raise UsageError(f"{kind!r} is no kind of pseudonym (known: {', '.join(_NORMALISERS)})")
    encoded = pc.cast(values, pa.string()).dictionary_encode()
    normalise = _NORMALISERS[kind]
    hashes = [keyed_hash(normalise(text.strip()), kind, key) for text in encoded.dictionary.to_pylist()]
    return pa.array(hashes, pa.string()).take(encoded.indices)


def keyed_hash(text: str, kind: str, key: bytes) -> str | None:
    """Return the keyed hash (32 hex digits) of one text that needs no normalising; None of an empty one."""
    if not text:
        return None
    # The kind goes first and cannot hold a NUL, so no value of one kind can imitate another kind.
    message = f"{kind}\0{text}".encode()
    return hmac.digest(key, message, "sha256").hex()[:HEX_DIGITS]


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
