"""Payments that come one by one, as JSON: cleaned by the code that cleans files.

There are two layouts: the canonical one, whose names are the same for every source, and the source layout, whose
names are the columns of the mapping's files. Either way the mapping says which fields count.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from counterfoil.domain.arrays import rows_of
from counterfoil.domain.intake.cleaning import clean
from counterfoil.domain.intake.mapping_amounts import AmountFormat, Currency
from counterfoil.domain.intake.mapping_model import (
    Evidence,
    Fields,
    FileFormat,
    SourceMapping,
)
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.privacy.pseudonyms import HEX_DIGITS, PseudonymKeys

CANONICAL_FIELDS = (
    "transaction_id", "event_time", "amount", "currency", "account", "merchant", "device", "source_ip", "email",
    "phone", "category", "card_number", "card_bin",
)  # fmt: skip
"""The names of the canonical layout; beside them `evidence` holds the mapping's own evidence by its names."""

SOURCE = "service"
"""What the column `source` says of payments that came one by one."""

_EVIDENCE = "evidence."
_OF_FILES = ("source", "source_line", "label", "label_time")
_PLAIN = frozenset((str, float, int, bool))
"""Types of values that JSON has itself: most of a payment's."""


@dataclass(frozen=True)
class Fault:
    """Why a payment cannot be scored: its place in the request, a stable code, and words that quote no value."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True)
class Arrivals:
    """Cleaned payments, in the order of the request, and the faults of those that are not among them.

    `hashes` tell the contents apart, one a payment. `ignored` are fields that the mapping does not read.
    """

    payments: pa.Table
    hashes: tuple[str, ...]
    faults: tuple[Fault, ...]
    ignored: tuple[str, ...] = ()


def without_labels(mapping: SourceMapping) -> SourceMapping:
    """The mapping for payments that nobody has judged yet, in the layout of its files."""
    fields = mapping.fields.model_copy(update={"label": None, "label_time": None})
    # Made again from its fields: a copy, or dict(), would keep what the mapping has worked out from them.
    own = {name: getattr(mapping, name) for name in SourceMapping.model_fields}
    return SourceMapping(**{**own, "fields": fields, "labels": None})


def canonical(mapping: SourceMapping) -> SourceMapping:
    """The mapping that reads the canonical layout as `mapping` reads its files: the same fields and evidence."""
    evidence = mapping.evidence
    return SourceMapping(
        name=mapping.name,
        file=FileFormat(format="jsonl"),
        time=TimeFormat(earliest=mapping.time.earliest, latest=mapping.time.latest),
        amount=AmountFormat(),
        currency=Currency(meaningful=mapping.currency.meaningful, why=mapping.currency.why),
        fields=_canonical_fields(mapping),
        evidence=Evidence(
            numeric={name: _EVIDENCE + name for name in evidence.numeric},
            differences=evidence.differences,
            ratios=evidence.ratios,
            categorical={name: _EVIDENCE + name for name in mapping.own_categorical},
            textual={name: _EVIDENCE + name for name in evidence.textual},
            categorical_fields=evidence.categorical_fields,
            textual_fields=evidence.textual_fields,
        ),
        privacy=mapping.privacy,
    )


def _canonical_fields(mapping: SourceMapping) -> Fields:
    there = {*mapping.read_fields, *(("currency",) if mapping.tells_currency else ())}
    read = {name: name for name in CANONICAL_FIELDS if name in there}
    return Fields(**{**read, "transaction_id": "transaction_id", "event_time": "event_time"})


def flattened(payment: Mapping[str, Any]) -> dict[str, Any]:
    """A payment of the canonical layout with its evidence beside the other fields."""
    evidence = payment.get("evidence") or {}
    flat = {name: value for name, value in payment.items() if name != "evidence"}
    return flat | {_EVIDENCE + name: value for name, value in evidence.items()}


def clean_requests(
    payments: Sequence[Mapping[str, Any]],
    mapping: SourceMapping,
    *,
    key: PseudonymKeys,
    forgotten: Collection[str] = (),
    latest: datetime | None = None,
) -> Arrivals:
    """Clean payments whose fields are columns of `mapping`; a payment later than `latest` has a clock that is off.

    Without an id of its own a payment gets one that is made of its content.
    """
    columns, ignored = mapping.source_columns, ignored_fields(payments, mapping)
    texts = {name: pa.array([_text(p.get(name)) for p in payments], pa.string()) for name in columns}
    cleaned = clean(
        pa.table(texts),
        mapping,
        key=key,
        source=SOURCE,
        first_line=0,
        content_hash="",
        forgotten=forgotten,
        addresses=False,
    )
    rows = cleaned.transactions
    if mapping.fields.transaction_id is None:
        rows = _with_ids(rows, [_digest(payments[line]) for line in rows["source_line"].to_pylist()])
    faults = [
        Fault(row["source_line"], row["reason"], row["message"]) for row in cleaned.rejected.to_pylist()
    ]  # fmt: skip
    if latest is not None:
        late = pa.compute.greater(rows["event_time"], pa.scalar(latest, rows["event_time"].type))
        faults += [
            Fault(line, "time_ahead", "the payment's time lies ahead of the service's clock")
            for line in rows.filter(late)["source_line"].to_pylist()
        ]
        rows = rows.filter(pa.compute.invert(late))
    hashes = tuple(_digest(plain(row)) for row in rows_of(rows))
    return Arrivals(rows, hashes, tuple(sorted(faults, key=lambda fault: fault.index)), tuple(ignored))


def ignored_fields(payments: Sequence[Mapping[str, Any]], mapping: SourceMapping) -> list[str]:
    """The fields of payments that the mapping does not read."""
    return sorted({name for payment in payments for name in payment} - {*mapping.source_columns})


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A canonical transaction as plain JSON: money and times as text, nothing of a file, nothing that is null."""
    return {
        name: value if value.__class__ in _PLAIN else as_json(value)
        for name, value in row.items()
        if value is not None and name not in _OF_FILES
    }


def as_json(value: Any) -> Any:
    """A value of a transaction as plain JSON has it: money and times as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return _money(value) if isinstance(value, Decimal) else value


def _money(amount: Decimal) -> str:
    """Two places at least, and no zeros beyond: 129.9000 is 129.90."""
    whole, _, places = f"{amount:.4f}".partition(".")
    return f"{whole}.{places[:2]}{places[2:].rstrip('0')}"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, bool) else str(value)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _with_ids(rows: pa.Table, digests: Sequence[str]) -> pa.Table:
    place = rows.schema.get_field_index("transaction_id")
    ids = pa.array([digest[:HEX_DIGITS] for digest in digests], pa.string())
    return rows.set_column(place, rows.schema.field(place), ids)
