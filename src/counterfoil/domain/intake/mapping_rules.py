"""What the parts of a mapping must satisfy together. Each rule yields its problems in words."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from counterfoil.domain.features.spec import Entity
from counterfoil.domain.intake.fixed_columns import FixedColumns
from counterfoil.domain.intake.mapping_amounts import DIRECTION, AmountFormat, Currency
from counterfoil.domain.intake.mapping_model import (
    CANONICAL_EVIDENCE,
    IDENTIFYING,
    Evidence,
    Fields,
    FileFormat,
    Labels,
    Privacy,
)
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.schemas import EVENT_DATE, TRANSACTION_FIELDS

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RESERVED = {field.name for field in TRANSACTION_FIELDS} | {EVENT_DATE}
_IN_THE_CLEAR = ("transaction_id", "merchant", "category", "currency", "card_bin")
_WHY_NOT = "embeddings and categories can be turned back into text, so identities may not become evidence"


def time_problems(time: TimeFormat, file: FileFormat | None) -> Iterator[str]:
    """Yield what is wrong between the time format, its epoch and the file's format."""
    if time.is_relative and time.epoch is None:
        relative = next(name for name in time.formats if name.startswith("relative_"))
        yield f"time.epoch is missing: {relative} counts from it (write '2013-09-01T00:00:00Z')"
    if not time.is_relative and time.epoch is not None:
        yield f"time.epoch is only for format 'relative_seconds' and its like, not {time.format!r}: leave it out"
    if "native" in time.formats and file is not None and file.format != "parquet":
        yield "time.format 'native' needs Parquet: other files have text only (try 'iso8601')"
    if time.earliest >= time.latest:
        yield "time.earliest is not before time.latest"


def file_problems(file: FileFormat) -> Iterator[str]:
    """Yield what is wrong between the format, the encoding and the signs of CSV."""
    if file.format == "jsonl" and '{"\n'.encode(file.encoding) != b'{"\n':
        yield f"file.encoding {file.encoding!r} does not go with JSON Lines: try 'utf-8'"
    if (file.header == "none") != bool(file.columns):
        yield "file.columns and file.header = 'none' go together: without a header, name the columns from left to right"
    if len(set(file.columns)) < len(file.columns):
        yield "file.columns names a column twice"
    if file.records and (file.format not in ("jsonl", "iso8583") or not all(file.records.split("."))):
        yield f"file.records {file.records!r} is for JSON: write the keys that lead to the array, with dots between"
    if file.format != "csv" and (file.skip_lines or file.header != "first"):
        yield f"file.skip_lines and file.header are for CSV, not for {file.format!r}"
    for name, sign in (("quote", file.quote), ("escape", file.escape)):
        if sign and sign == file.delimiter:
            yield f"file.{name} and file.delimiter are both {sign!r}"


def amount_problems(
    amount: AmountFormat, fields: Fields | None, currency: Currency | None, evidence: Evidence | None
) -> Iterator[str]:
    """Yield what is wrong with the marks, the sides, and the unit of amounts."""
    if amount.decimal_mark == amount.thousands_mark:
        yield f"amount.decimal_mark and amount.thousands_mark are both {amount.decimal_mark!r}"
    both = {text.upper() for text in amount.debit_values} & {text.upper() for text in amount.credit_values}
    if both:
        yield f"amount.debit_values and amount.credit_values both list {min(both)!r}"
    if amount.keep != "debits" and not amount.has_sides:
        yield f"amount.keep {amount.keep!r} needs to know which rows are debits: set amount.debits or amount.direction"
    if amount.keep == "both" and evidence is not None and DIRECTION in evidence.categorical:
        yield f"evidence.categorical.{DIRECTION}: amount.keep 'both' makes evidence of this name; choose another"
    codes = any(amount.symbols.values()) or (currency is not None and currency.code is not None)
    has_currency = fields is None or fields.currency is not None or codes
    if amount.unit == "minor" and (not has_currency or (currency is not None and not currency.meaningful)):
        yield "amount.unit 'minor' needs each payment's currency: map fields.currency or set currency.code"
    if fields is not None and fields.amount is not None and amount.direction in _identities(fields):
        yield f"amount.direction: column {amount.direction!r} is also the {_identities(fields)[amount.direction]}"
    if currency is not None and currency.code is not None and fields is not None and fields.currency is not None:
        yield "currency.code is for sources without a column of currencies: leave it or fields.currency out"


def label_problems(fields: Fields | None, labels: Labels | None, *, given: bool) -> Iterator[str]:
    """Yield what is wrong between fields.label and [labels]; `given`: the file has a [labels] section."""
    if fields is not None:
        if fields.label is not None and not given:
            yield "[labels] is missing: fields.label is mapped, so say which values mean fraud and good"
        if fields.label is None and given:
            yield "[labels] is there but fields.label is not: map the label column or leave [labels] out"
        if fields.label is None and fields.label_time is not None:
            yield "fields.label_time is mapped but fields.label is not"
    if labels is not None:
        if not labels.fraud:
            yield "labels.fraud is missing: say which values in the label column mean fraud"
        counts = Counter((*labels.fraud, *labels.good, *labels.unknown))
        for value in sorted(value for value, count in counts.items() if count > 1):
            yield f"labels: {value!r} stands more than once; each value has one meaning"


def time_field_problems(fields: Fields) -> Iterator[str]:
    """Yield that there is no event time; only labels alone, for payments that are collected, need none."""
    others = set(fields.mapped()) - {"transaction_id", "label", "label_time"}
    if not fields.event_time and (others or fields.label is None or fields.transaction_id is None):
        yield "fields.event_time is missing"


def identity_problems(fields: Fields, evidence: Evidence | None) -> Iterator[str]:
    """Yield every source column that is an identity and would be kept as it is elsewhere."""
    mapped = fields.mapped()
    identities = _identities(fields)
    for field in _IN_THE_CLEAR:
        if mapped.get(field) in identities:
            column, identity = mapped[field], identities[mapped[field]]
            yield f"fields.{field}: column {column!r} is also the {identity} and may not be kept as it is"
    if "card_number" in mapped and "card_bin" in mapped:
        yield "fields.card_bin: leave it out, the BIN is taken from fields.card_number"
    for kind, name, column in _own_evidence(evidence):
        if column in identities:
            yield f"evidence.{kind}.{name}: column {column!r} is the {identities[column]}; {_WHY_NOT}"


def _identities(fields: Fields) -> dict[str | None, str]:
    mapped = fields.mapped()
    return {mapped[field]: field for field in IDENTIFYING if field in mapped}


def fixed_column_problems(
    known: FixedColumns, fields: Fields, evidence: Evidence | None, privacy: Privacy | None
) -> Iterator[str]:
    """Yield columns that no record of the format has, and personal ones that would be kept as they are."""
    hashed = () if privacy is None else privacy.hashed
    own = [(f"evidence.{kind}.{name}", column) for kind, name, column in _own_evidence(evidence)]
    clear = [(f"fields.{field}", column) for field, column in fields.mapped().items() if field in _IN_THE_CLEAR]
    mapped = [(f"fields.{field}", column) for field, columns in fields.columns().items() for column in columns]
    for where, column in mapped + own:
        if column not in known.names:
            yield f"{where}: no message has a column {column!r} (known: {', '.join(known.names)})"
    for where, column in [*clear, *own]:
        if column in known.personal and where.removeprefix("fields.") not in hashed:
            yield f"{where}: column {column!r} says who somebody is and may not be kept as it is"


def privacy_problems(privacy: Privacy, fields: Fields | None, evidence: Evidence | None) -> Iterator[str]:
    """Yield hashed fields that are not there, or that are read as text, and accounts kept as they are."""
    if fields is not None and isinstance(fields.merchant, tuple) and "merchant" not in privacy.hashed:
        yield (
            "fields.merchant: several columns make an account, which is kept as a keyed hash only: "
            'write privacy.hashed = ["merchant"], or name one column'
        )
    if "merchant" in privacy.hashed:
        if fields is not None and fields.merchant is None:
            yield "privacy.hashed: 'merchant' is not mapped in [fields]"
        if evidence is not None and "merchant_id" in evidence.textual_fields:
            yield "evidence.textual_fields: 'merchant_id' is a keyed hash (privacy.hashed), which says nothing as text"
        if evidence is not None and "merchant_id" in evidence.categorical_fields:
            # A release would name the commonest of them, and no forgetting takes anything out of a release.
            yield "evidence.categorical_fields: 'merchant_id' is an account (privacy.hashed), which is no evidence"


def evidence_name_problems(evidence: Evidence) -> Iterator[str]:
    """Yield evidence names that are malformed or taken, and empty source columns."""
    seen: dict[str, str] = {}
    for kind, name, column in (*_own_evidence(evidence), *_pairs(evidence)):
        where = f"evidence.{kind}.{name}"
        if not _SNAKE_CASE.fullmatch(name):
            yield f"{where}: the name is not snake_case (lower-case letters, digits, single underscores)"
        if name in _RESERVED:
            yield f"{where}: {name!r} is a canonical column; choose another name"
        if name in seen:
            yield f"{where}: {name!r} is already used in evidence.{seen[name]}"
        if not column:
            yield f"{where}: names no source column"
        seen.setdefault(name, kind)


def pair_problems(evidence: Evidence, fields: Fields | None) -> Iterator[str]:
    """Yield differences and ratios that are not of two numbers that payments have."""
    amount = ["amount"] if fields is None or fields.amount is not None else []
    known = [*amount, *evidence.numeric]
    for kind, name, pair in _pairs(evidence):
        where = f"evidence.{kind}.{name}"
        if len(pair) != 2 or pair[0] == pair[1]:
            yield f'{where}: is not a list of two numbers (write {name} = ["balance", "amount"])'
            continue
        for one in pair:
            if one not in known:
                yield f"{where}: payments have no number {one!r} (there are: {', '.join(known) or 'none'})"


def canonical_evidence_problems(
    evidence: Evidence, fields: Fields | None, currency: Currency | None, amount: AmountFormat | None
) -> Iterator[str]:
    """Yield what is wrong with `categorical_fields` and `textual_fields`."""
    said = (currency is not None and currency.code is not None) or (amount is not None and any(amount.symbols.values()))
    for key, names in (
        ("categorical_fields", evidence.categorical_fields),
        ("textual_fields", evidence.textual_fields),
    ):
        for name, count in Counter(names).items():
            there = fields is None or (name == "currency" and said)
            problem = _canonical_problem(name, None if there else fields, currency)
            if problem:
                yield f"evidence.{key}: {problem}"
            if count > 1:
                yield f"evidence.{key}: {name!r} stands there {count} times"


def _canonical_problem(name: str, fields: Fields | None, currency: Currency | None) -> str | None:
    if name in IDENTIFYING or f"{name}_id" in _RESERVED or name in _RESERVED - set(CANONICAL_EVIDENCE):
        reason = "" if name == "merchant" else f"; {_WHY_NOT}"
        return f"{name!r} is refused (allowed: {', '.join(CANONICAL_EVIDENCE)}){reason}"
    if name not in CANONICAL_EVIDENCE:
        return f"{name!r} is no canonical column (allowed: {', '.join(CANONICAL_EVIDENCE)})"
    field = CANONICAL_EVIDENCE[name]
    if fields is not None and getattr(fields, field) is None:
        return f"{name!r} would always be empty: fields.{field} is not mapped"
    if name == "currency" and currency is not None and not currency.meaningful:
        return "'currency' would always be empty: currency.meaningful is false"
    return None


def entity_problems(entities: object, fields: Any, evidence: Any) -> Iterator[str]:
    """Yield what is wrong with [entities]: names that are taken, and columns that payments do not have."""
    if not isinstance(entities, Mapping):
        yield "entities: is not a section (write [entities])"
        return
    known = [name for name, field in _ENTITY_COLUMNS.items() if fields is None or getattr(fields, field) is not None]
    known += [] if evidence is None else list(evidence.categorical)
    for name, value in entities.items():
        where, columns = f"entities.{name}", [value] if isinstance(value, str) else value
        if not _SNAKE_CASE.fullmatch(name):
            yield f"{where}: the name is not snake_case (lower-case letters, digits, single underscores)"
        if name in {entity.value for entity in Entity}:
            yield f"{where}: {name!r} has features already; choose another name"
        if (
            not isinstance(columns, list)
            or len(columns) not in (1, 2)
            or len({str(one) for one in columns}) < len(columns)
        ):
            yield f'{where}: is neither a column nor a list of two (write {name} = "category")'
            continue
        for column in columns:
            if column not in known:
                yield f"{where}: payments have no column {column!r} to tell it by (there are: {', '.join(known)})"


_ENTITY_COLUMNS = {f"{name}_id": name for name in ("account", "merchant", "device", "source_ip", "email", "phone")}
_ENTITY_COLUMNS |= {"category": "category", "card_bin": "card_bin"}
"""Canonical columns that an entity may be told by -> the field that fills them."""


def _pairs(evidence: Evidence) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for kind in ("differences", "ratios"):
        for name, pair in getattr(evidence, kind).items():
            yield kind, name, pair


def _own_evidence(evidence: Evidence | None) -> Iterator[tuple[str, str, str]]:
    if evidence is None:
        return
    for kind in ("numeric", "categorical", "textual"):
        for name, column in getattr(evidence, kind).items():
            yield kind, name, column
