"""Guess what the columns of a file mean, by their names and by what stands in them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.mapping_amounts import AmountFormat
from counterfoil.domain.intake.parsing import parse_card_numbers, parse_numbers
from counterfoil.domain.privacy.addresses import read_address

_WORDS = {
    "label": r"fraud|^class$|label|chargeback|verdict",
    "transaction_id": r"(trans\w*|txn|tx|payment|event|order|entry) ?(id|num|no|ref)|^id$|uuid|uetr|^txn$|reference",
    "amount": r"amount|^amt$|price|betrag|montant|importe|gross|value$|^sum$",
    "currency": r"currency|^ccy$|^cur(r)?$|waehrung|w hrung|devise",
    "source_ip": r"\bip\b|ip addr|ipaddress",
    "email": r"e ?mail",
    "phone": r"phone|mobile|\btel\b",
    "card_number": r"cc num|card num|card no|\bpan\b",
    "card_bin": r"\bbin\b|iin",
    "device": r"device id|fingerprint",
    "account": (
        r"account|name orig|^source$|^customer( id)?$|entity id|^user( id)?$|client|debtor|payer|iban|konto|^kunde"
    ),
    "merchant": (
        r"merchant( name| id)?$|name dest|^target$|payee|creditor|shop|beneficiary|receiver|terminal|empf|h ndler|"
        r"haendler|beg( n|uen|un)stigte"
    ),
    "category": r"categor|^mcc$|^type$|merchant type",
}  # fmt: skip
"""Field -> what its column is called; the first column that fits takes it, in the order of the file."""

_PERSONAL = (
    r"name|first|last|street|address|birth|^dob$|gender|^sex$|zip|postcode|city|job|lat\b|latitude|long\b|longitude|"
    r"ssn|user ?agent|phone|mail"
)
_FRAUD = ("1", "1.0", "yes", "true", "y", "fraud", "fraudulent")
_GOOD = ("0", "0.0", "no", "false", "n", "legit", "good", "genuine")
_UNKNOWN = ("2", "", "unknown", "unlabelled")
_NUMBER = r"^[($€£-]*\s*[\d.,]+([eE][+-]?\d+)?\)?$"
_PAIRS = (("1", "0"), ("yes", "no"), ("true", "false"), ("fraud", "legit"))
_OPPOSITES = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
_FEW_KINDS = 50
_ROWS_A_KIND = 50
"""In more rows there may be more kinds: one for so many of them."""
_DOTTED = r"^[0-9a-fA-F:.\[\]]*[.:][0-9a-fA-F:.\[\]]*[.:][0-9a-fA-F:.\[\]]*$"
_MANY_CURRENCIES = 10
_SMALL_SHARE = 0.2


@dataclass(frozen=True)
class FieldGuess:
    """A field, the columns that it is taken from, why, and what is not sure about it."""

    field: str
    columns: tuple[str, ...]
    reason: str
    unsure: str = ""


def words_of(name: str) -> str:
    """Return a column's name as lower-case words."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.sub(r"[^a-z0-9]+", " ", spaced.lower()).strip()


def guess_fields(columns: Mapping[str, pa.Array], taken: tuple[str, ...]) -> list[FieldGuess]:
    """Return a guess for each field that some column looks like; `taken` are the columns of the time."""
    free = {name: values for name, values in columns.items() if name not in taken}
    found: list[FieldGuess] = []
    for field, pattern in _WORDS.items():
        named = [name for name in free if re.search(pattern, words_of(name)) and _may_be(field, free[name])]
        if not named and field == "source_ip":
            named = [
                name for name in free if _all_match(_DOTTED)(free[name].drop_null()) and _may_be(field, free[name])
            ]
        if named:
            name = min(named, key=lambda one: (_rank(field, one), list(free).index(one)))
            found.append(_guess(field, name, named, free))
            for one in found[-1].columns:
                free.pop(one)
    known = {guess.field: guess for guess in found}
    if "account" not in known:
        for field, what in (("email", "an address"), ("card_number", "a card")):
            if field in known:
                doubt = f"no column is called like an account: {what} may stand for who pays"
                found.append(FieldGuess("account", known[field].columns, "somebody is known by it", doubt))
                break
    return found


def _guess(field: str, name: str, named: list[str], free: Mapping[str, pa.Array]) -> FieldGuess:
    doubt = f"{', '.join(map(repr, named[1:]))} may be meant as well" if len(named) > 1 and field != "label" else ""
    if field == "account":
        cards = [other for other in free if words_of(other) == "card" and words_of(name) in ("user", "customer")]
        if cards:
            return FieldGuess(field, (name, cards[0]), "a person's card: the person, then which of their cards", doubt)
    if field == "transaction_id" and pc.count_distinct(free[name]).as_py() < len(free[name]):
        doubt = "values repeat in the first rows, so it may be no id of a payment"
    if field == "account" and pc.count_distinct(free[name]).as_py() == 1 < len(free[name]):
        doubt = f"all payments have the same{f'; {doubt}' if doubt else ''}"
    if field == "currency" and _is_drawn(free[name]):
        doubt = "it looks as if drawn at random: if one account pays in many, say currency.meaningful = false"
    return FieldGuess(field, (name,), f"its name, and all values {_LOOKS[field]}", doubt)


def _are_dotted(values: pa.Array) -> bool:
    return _all_match(_DOTTED)(values.drop_null())


def _is_drawn(currencies: pa.Array) -> bool:
    """Whether there are many currencies and none is frequent."""
    counts = pc.value_counts(currencies.drop_null()).field("counts")
    return len(counts) >= _MANY_CURRENCIES and pc.max(counts).as_py() < _SMALL_SHARE * pc.sum(counts).as_py()


_LOOKS = {
    "label": "are two or three kinds", "transaction_id": "are there", "amount": "are numbers",
    "currency": "are three letters", "source_ip": "are addresses", "email": "have an @", "phone": "have digits",
    "card_number": "are card numbers", "card_bin": "are 6 to 8 digits", "device": "are texts", "account": "are texts",
    "merchant": "are texts", "category": "are texts",
}  # fmt: skip


def _rank(field: str, name: str) -> int:
    """Exact names come first: 'isFraud' before 'isFlaggedFraud', 'Labels' before 'label source'."""
    words = words_of(name)
    if field == "label":
        return 0 if words in ("is fraud", "class", "label", "labels", "event label", "fraud") else 1
    if field in ("account", "merchant"):
        return 0 if words in ("account", "account id", "merchant", "merchant name", "merchant id", "entity id") else 1
    return len(words.split())


def _may_be(field: str, values: pa.Array) -> bool:
    kept = values.drop_null()
    return bool(len(kept)) and _TESTS.get(field, lambda _: True)(kept)


def is_numeric(values: pa.Array) -> bool:
    """Whether all values look like numbers, perhaps with a sign of money."""
    return bool(pc.all(pc.match_substring_regex(values.drop_null(), _NUMBER)).as_py())


def _are_written(values: pa.Array, style: AmountFormat) -> bool:
    return not any(fault.rows.any() for fault in parse_numbers(values, "", style).faults)


def _all_match(pattern: str) -> Callable[[pa.Array], bool]:
    return lambda kept: bool(pc.all(pc.match_substring_regex(kept, pattern)).as_py())


def _are_labels(kept: pa.Array) -> bool:
    kinds = {text.lower() for text in pc.unique(kept).to_pylist()}
    return kinds <= {*_FRAUD, *_GOOD, *_UNKNOWN}


_TESTS: dict[str, Callable[[pa.Array], bool]] = {
    "label": _are_labels,
    "amount": is_numeric,
    "currency": _all_match(r"^[A-Za-z]{3}$"),
    "source_ip": lambda kept: all(read_address(text) is not None for text in pc.unique(kept).to_pylist()),
    "email": _all_match("@"),
    "phone": _all_match(r"\d{3}"),
    "card_number": lambda kept: not parse_card_numbers(kept, "")[0].faults[0].rows.any(),
    "card_bin": _all_match(r"^\d{6,8}$"),
}


def guess_labels(values: pa.Array) -> tuple[dict[str, list[str]], str]:
    """Return the values that mean fraud, good and unknown, and what is not sure about them."""
    kinds = [text for text in pc.unique(values).to_pylist() if text is not None]
    found = {
        key: [text for text in kinds if text.lower() in words]
        for key, words in (("fraud", _FRAUD), ("good", _GOOD), ("unknown", _UNKNOWN))
    }
    missing = [key for key in ("fraud", "good") if not found[key]]
    for key in missing:
        other = next((text for pair in ("good", "fraud") for text in found[pair]), "0" if key == "good" else "1")
        opposite = _OPPOSITES.get(other.lower(), "1" if key == "fraud" else "0")
        found[key] = [opposite.capitalize() if other.istitle() else opposite]
    unsure = [f"no value for {key} is in the first rows" for key in missing]
    if found["unknown"]:
        unsure.append(f"that {found['unknown']} mean a payment that nobody judged")
    if values.null_count and "" not in found["unknown"]:
        found["unknown"].append("")
    return found, "; ".join(unsure)


def guess_evidence(
    columns: Mapping[str, pa.Array], taken: set[str], style: AmountFormat
) -> Iterator[tuple[str, str, str]]:
    """Yield for columns that no field takes: "numeric", "categorical" or "" (better left out), the column, and why.

    `style` is how amounts are written, as other numbers must be too.
    """
    for name, values in columns.items():
        words, kept = words_of(name), values.drop_null()
        if name in taken or not len(kept):
            continue
        if not words or re.search(r"fraud|label", words):
            yield "", name, "it gives the label away, or nothing"
        elif re.search(_PERSONAL, words):
            yield "", name, "it may say who somebody is"
        elif re.search(r"time|date|\bid$|^id$|index|^new", words):
            yield "", name, "it may be unique to a row, or known only after the payment"
        elif pc.count_distinct(kept).as_py() == 1 and len(kept) > 1:
            yield "", name, "all values are the same"
        elif is_numeric(values) and _are_written(values, style):
            yield "numeric", name, "all values are numbers"
        elif is_numeric(values):
            yield "", name, "its digits are no numbers that are written like amounts, or may be card numbers"
        elif pc.count_distinct(kept).as_py() <= max(_FEW_KINDS, len(kept) // _ROWS_A_KIND):
            yield "categorical", name, "few kinds of values"
        else:
            yield "", name, "many kinds of values"
