"""Clean one batch of raw rows: canonical transactions, and rejected rows with a reason each.

Every row that goes in comes out, in one table or the other. No raw value of a person gets into a message.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import mask_of
from counterfoil.domain.intake import parsing, parsing_amounts, parsing_times
from counterfoil.domain.intake.currencies import digits_of
from counterfoil.domain.intake.mapping_amounts import DIRECTION
from counterfoil.domain.intake.mapping_model import PSEUDONYMS, SourceMapping
from counterfoil.domain.intake.pairs import difference, ratio
from counterfoil.domain.intake.parsing import Fault, Parsed
from counterfoil.domain.intake.parsing_ids import identifier_faults, line_break_fault
from counterfoil.domain.privacy.addresses import normal_addresses
from counterfoil.domain.privacy.forgetting import ACCOUNT_FORGOTTEN
from counterfoil.domain.privacy.ibans import IBAN_INVALID, read_iban
from counterfoil.domain.privacy.pseudonyms import (
    HEX_DIGITS,
    PseudonymKeys,
    as_keys,
    pseudonymise,
    pseudonymise_accounts,
)
from counterfoil.domain.schemas import ADDRESSES, LABELS, REJECTED


@dataclass(frozen=True)
class Cleaned:
    """`transactions` have the mapping's schema, `rejected` schemas.REJECTED; both in the order read.

    `addresses` (schemas.ADDRESSES) are the source IPs of `transactions`, each once, in no order that matters.
    """

    transactions: pa.Table
    rejected: pa.Table
    addresses: pa.Table = field(default_factory=ADDRESSES.empty_table)


@dataclass
class _Columns:
    """Canonical columns made so far, and the faults in the order in which a row's reason is chosen."""

    values: dict[str, pa.Array] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    source_ips: pa.Array | None = None

    def add(self, name: str, parsed: Parsed) -> None:
        self.values[name] = parsed.values
        self.faults += parsed.faults


def clean(
    batch: pa.Table,
    mapping: SourceMapping,
    *,
    key: bytes | PseudonymKeys,
    source: str,
    first_line: int | pa.Array,
    content_hash: str,
    forgotten: Collection[str] = (),
    numbers: pa.Array | None = None,
    addresses: bool = True,
) -> Cleaned:
    """Turn raw rows into transactions or into rejections with one reason each (the first in a fixed order).

    `batch` has the mapping's source columns; `first_line` is the line of its first row, or an int64 array with the
    line of each row. If the mapping maps no id, ids are derived from `content_hash`, the file's SHA-256, and from
    `numbers`, those of the rows among the file's records (None: the lines). Rows of the accounts `forgotten`
    (pseudonyms) are refused; as hashed merchants they become null. Without `addresses` none are listed. Raises
    MappingError if a column's type does not fit, UsageError for a key too short.
    """
    lines = _lines(first_line, batch.num_rows)
    raw = {name: _whole(batch.column(name)) for name in mapping.source_columns}
    columns = _Columns()
    times, where = _time_cells(raw, mapping.fields.columns()["event_time"])
    columns.add("event_time", parsing_times.parse_event_times(times, where, mapping.time))
    # Of the oldest key: an id that is made of a card number stays the same id when keys change.
    _add_id(columns, raw, mapping, lines if numbers is None else numbers, content_hash, as_keys(key).keys[0])
    _add_money(columns, raw, mapping, batch.num_rows)
    _add_labels(columns, raw, mapping)
    _add_parties(columns, raw, mapping, key, forgotten)
    _refuse_forgotten(columns, forgotten)
    _add_card(columns, raw, mapping)
    _add_evidence(columns, raw, mapping)
    columns.values["source"] = pa.repeat(pa.scalar(source, pa.string()), batch.num_rows)
    columns.values["source_line"] = lines
    if not addresses:
        columns.source_ips = None
    return _split(columns, mapping.schema, lines, source)


def clean_labels(
    batch: pa.Table, mapping: SourceMapping, *, key: PseudonymKeys, source: str, lines: pa.Array
) -> tuple[pa.Table, pa.Table, int]:
    """Turn raw rows of a file of labels into labels, rejections, and the number of rows whose label is unknown.

    The labels have the columns `transaction_id`, `label`, `label_time`, `source` and `source_line` of schemas.LABELS.
    Raises MappingError if a column's type does not fit.
    """
    raw = {name: _whole(batch.column(name)) for name in mapping.source_columns}
    columns = _Columns()
    _add_id(columns, raw, mapping, lines, "", key.keys[0])
    _add_labels(columns, raw, mapping)
    columns.values["source"] = pa.repeat(pa.scalar(source, pa.string()), batch.num_rows)
    columns.values["source_line"] = lines
    names = ("transaction_id", "label", "label_time", "source", "source_line")
    split = _split(columns, pa.schema([LABELS.field(name).with_nullable(True) for name in names]), lines, source)
    known = split.transactions.filter(pc.is_valid(split.transactions["label"]))
    return known, split.rejected, split.transactions.num_rows - known.num_rows


def derived_ids(content_hash: str, lines: pa.Array) -> pa.Array:
    """Return an id per record, the same wherever a file with this content is found."""
    start = hashlib.sha256(content_hash.encode())
    return pa.array([_with_line(start, line) for line in lines.to_pylist()], pa.string())


def rejections(source: str, lines: pa.Array, reasons: pa.Array, messages: pa.Array) -> pa.Table:
    """Build a table of schemas.REJECTED."""
    sources = pa.repeat(pa.scalar(source, pa.string()), len(lines))
    return pa.Table.from_arrays([sources, lines, reasons, messages], schema=REJECTED)


def _with_line(start: "hashlib._Hash", line: int) -> str:
    digest = start.copy()
    digest.update(b":%d" % line)
    return digest.hexdigest()[:HEX_DIGITS]


def _lines(first_line: int | pa.Array, rows: int) -> pa.Array:
    if isinstance(first_line, int):
        return pa.array(np.arange(first_line, first_line + rows), pa.int64())
    return pc.cast(_whole(first_line), pa.int64())


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _add_id(
    columns: _Columns, raw: dict[str, pa.Array], mapping: SourceMapping, lines: pa.Array, content_hash: str, key: bytes
) -> None:
    transaction_id = mapping.fields.transaction_id
    if transaction_id is None:
        columns.add("transaction_id", Parsed(derived_ids(content_hash, lines)))
    else:
        columns.add("transaction_id", parsing.parse_required_text(raw[transaction_id], transaction_id, key))
        _require_identifiers(columns, raw, transaction_id)


def _add_money(columns: _Columns, raw: dict[str, pa.Array], mapping: SourceMapping, rows: int) -> None:
    amount, currency = mapping.read_fields.get("amount"), mapping.read_fields.get("currency")
    stated = None if currency is None else parsing.parse_currency(raw[currency], currency)
    said = None
    if amount is not None:
        money = _money(raw, amount, mapping, stated, rows)
        columns.add("amount", money.amounts)
        said = money.currencies if mapping.tells_currency else None
        if mapping.amount.keep == "both":
            columns.values[DIRECTION] = money.sides
    if stated is not None:
        columns.add("currency", stated)
        if said is not None:
            message = f"column {amount!r} has the sign of another currency than column {currency!r} names"
            other = mask_of(pc.not_equal(said, stated.values))
            columns.faults.append(Fault("currency_contradicts", message, other))
    elif mapping.tells_currency:
        codes = pa.nulls(rows, pa.string()) if said is None else said
        columns.values["currency"] = (
            codes if mapping.currency.code is None else pc.fill_null(codes, mapping.currency.code)
        )


def _money(
    raw: dict[str, pa.Array], amount: str, mapping: SourceMapping, stated: Parsed | None, rows: int
) -> parsing_amounts.Money:
    style, digits, directions = mapping.amount, None, None
    if style.direction is not None:
        directions = parsing.text_of(raw[style.direction], style.direction)
    if style.unit == "minor":
        codes = _codes_of_minor_units(raw, amount, mapping, stated, rows)
        digits = digits_of(codes, style.minor_digits)
    return parsing_amounts.parse_money(raw[amount], amount, style, digits=digits, directions=directions)


def _codes_of_minor_units(
    raw: dict[str, pa.Array], amount: str, mapping: SourceMapping, stated: Parsed | None, rows: int
) -> pa.Array:
    """The currency of each row, by which its amount counts: that of its column, its sign, or all."""
    if stated is not None:
        return stated.values
    signs = parsing_amounts.parse_money(raw[amount], amount, mapping.amount).currencies
    codes = pa.nulls(rows, pa.string()) if signs is None else signs
    return codes if mapping.currency.code is None else pc.fill_null(codes, mapping.currency.code)


def _add_labels(columns: _Columns, raw: dict[str, pa.Array], mapping: SourceMapping) -> None:
    label, label_time = mapping.fields.label, mapping.fields.columns().get("label_time")
    if label is not None and mapping.labels is not None:
        parsed = parsing.parse_labels(raw[label], label, mapping.labels, mapping.file.null_values)
        columns.add("label", parsed)
    if label_time is not None:
        times, where = _time_cells(raw, label_time)
        nulls = mapping.file.null_values
        columns.add("label_time", parsing_times.parse_label_times(times, where, mapping.time, nulls))


def _time_cells(raw: dict[str, pa.Array], names: Sequence[str]) -> tuple[pa.Array, str]:
    """The cells of a time, joined by a blank where it stands in several columns, and what to call them."""
    if len(names) == 1:
        return raw[names[0]], names[0]
    texts = [parsing.text_of(raw[name], name) for name in names]
    return pc.binary_join_element_wise(*texts, " "), " ".join(names)


def _add_parties(
    columns: _Columns,
    raw: dict[str, pa.Array],
    mapping: SourceMapping,
    key: bytes | PseudonymKeys,
    forgotten: Collection[str],
) -> None:
    for name, canonical in PSEUDONYMS.items():
        column = mapping.read_fields.get(name)
        if name in mapping.account_columns:
            columns.add(canonical, _accounts(raw, mapping.account_columns[name], key))
            for part in mapping.account_columns[name]:
                _require_identifiers(columns, raw, part)
        elif column is not None:
            text = parsing.text_of(raw[column], column)
            columns.add(canonical, Parsed(pseudonymise(text, name, key)))
            _require_identifiers(columns, raw, column)
            if name == "source_ip":
                columns.source_ips = text
    for name, canonical in (("merchant", "merchant_id"), ("category", "category")):
        column = mapping.read_fields.get(name)
        if name in mapping.account_columns:
            paid = _accounts(raw, mapping.account_columns[name], key)
            columns.add(canonical, Parsed(_without_forgotten(paid.values, forgotten), paid.faults))
        elif column is not None:
            columns.add(canonical, parsing.parse_text(raw[column], column))
    for name, require in (("merchant", _require_identifiers), ("category", _require_one_line)):
        column = mapping.read_fields.get(name)
        if column is not None:
            require(columns, raw, column)


def _require_identifiers(columns: _Columns, raw: dict[str, pa.Array], column: str) -> None:
    columns.faults += identifier_faults(raw[column], column)


def _require_one_line(columns: _Columns, raw: dict[str, pa.Array], column: str) -> None:
    columns.faults.append(line_break_fault(raw[column], column))


def _accounts(raw: dict[str, pa.Array], names: Sequence[str], key: bytes | PseudonymKeys) -> Parsed:
    """The pseudonyms of accounts, and IBANs that are written as none is. The last of the columns has the number."""
    parts = [parsing.text_of(raw[name], name) for name in names]
    encoded = parts[-1].dictionary_encode()
    read = [read_iban(text) for text in encoded.dictionary.to_pylist()]
    wrong = pa.array([iban is not None and iban.is_invalid for iban in read], pa.bool_()).take(encoded.indices)
    message = f"column {names[-1]!r} holds an IBAN with the check digits 00, 01 or 99, which none has"
    return Parsed(pseudonymise_accounts(parts, key), (Fault(IBAN_INVALID, message, mask_of(wrong)),))


def _without_forgotten(paid: pa.Array, forgotten: Collection[str]) -> pa.Array:
    """The accounts that are paid, but for forgotten ones: the payment stays, since it is the payer's."""
    theirs = pc.is_in(paid, value_set=pa.array(sorted(forgotten), pa.string()))
    return pc.if_else(theirs, pa.scalar(None, pa.string()), paid)


def _refuse_forgotten(columns: _Columns, forgotten: Collection[str]) -> None:
    accounts = columns.values.get("account_id")
    if accounts is None or not forgotten:
        return
    theirs = mask_of(pc.is_in(accounts, value_set=pa.array(sorted(forgotten), pa.string())))
    # Whatever else is wrong with such a row, this is why it must not be kept.
    columns.faults.insert(0, Fault(ACCOUNT_FORGOTTEN, "the account was forgotten: nothing of it is kept", theirs))


def _add_card(columns: _Columns, raw: dict[str, pa.Array], mapping: SourceMapping) -> None:
    number, bank = mapping.fields.card_number, mapping.fields.card_bin
    if number is not None:
        bins, columns.values["card_last4"] = parsing.parse_card_numbers(raw[number], number)
        columns.add("card_bin", bins)
    elif bank is not None:
        columns.add("card_bin", parsing.parse_card_bins(raw[bank], bank))


def _add_evidence(columns: _Columns, raw: dict[str, pa.Array], mapping: SourceMapping) -> None:
    evidence = mapping.evidence
    for name, column in evidence.numeric.items():
        columns.add(name, parsing.parse_numbers(raw[column], column, mapping.amount))
    for pairs, made in ((evidence.differences, difference), (evidence.ratios, ratio)):
        for name, (first, second) in pairs.items():
            columns.values[name] = made(columns.values[first], columns.values[second])
    for name, column in (*evidence.categorical.items(), *evidence.textual.items()):
        columns.add(name, parsing.parse_text(raw[column], column))
    for column in evidence.categorical.values():
        _require_one_line(columns, raw, column)


def _split(columns: _Columns, schema: pa.Schema, lines: pa.Array, source: str) -> Cleaned:
    which = _first_fault(columns.faults, len(lines))
    arrays = [_or_nulls(columns.values.get(name.name), name.type, len(lines)) for name in schema]
    everything = pa.Table.from_arrays(arrays, schema=schema)
    addresses = _addresses(columns, which < 0)
    if not (which >= 0).any():
        return Cleaned(everything, REJECTED.empty_table(), addresses)
    kept = everything.filter(pa.array(which < 0))
    return Cleaned(kept, _rejected(columns.faults, which, lines, source), addresses)


def _addresses(columns: _Columns, kept: np.ndarray) -> pa.Table:
    """The source IPs of the kept rows; whatever its spelling, one id has one normal form."""
    if columns.source_ips is None:
        return ADDRESSES.empty_table()
    ids = columns.values["source_ip_id"]
    rows = pa.table({"source_ip_id": ids, "text": columns.source_ips})
    rows = rows.filter(pc.and_(pa.array(kept), pc.is_valid(ids)))
    found = rows.group_by("source_ip_id", use_threads=False).aggregate([("text", "first")]).combine_chunks()
    texts = _whole(found["text_first"])
    return pa.Table.from_arrays([_whole(found["source_ip_id"]), normal_addresses(texts)], schema=ADDRESSES)


def _first_fault(faults: list[Fault], rows: int) -> np.ndarray:
    """Return for each row the index of its first fault, or -1."""
    which = np.full(rows, -1, dtype=np.int32)
    for index in reversed(range(len(faults))):
        which[faults[index].rows] = index
    return which


def _rejected(faults: list[Fault], which: np.ndarray, lines: pa.Array, source: str) -> pa.Table:
    rows = np.flatnonzero(which >= 0)
    by_fault = rows[np.argsort(which[rows], kind="stable")]
    bounds = np.searchsorted(which[by_fault], np.arange(len(faults) + 1))
    parts = [
        _of_one_fault(fault, by_fault[start:end], lines, source)
        for fault, (start, end) in zip(faults, pairwise(bounds), strict=True)
        if end > start
    ]
    return pa.concat_tables(parts).combine_chunks().sort_by("source_line")


def _of_one_fault(fault: Fault, rows: np.ndarray, lines: pa.Array, source: str) -> pa.Table:
    indices = pa.array(rows)
    if isinstance(fault.message, str):
        messages = pa.repeat(pa.scalar(fault.message, pa.string()), len(rows))
    else:
        messages = fault.message.take(indices)
    reasons = pa.repeat(pa.scalar(fault.reason, pa.string()), len(rows))
    return rejections(source, lines.take(indices), reasons, messages)


def _or_nulls(values: pa.Array | None, type_: pa.DataType, rows: int) -> pa.Array:
    return pa.nulls(rows, type_) if values is None else values


def reason_counts(rejected: pa.Table) -> Iterator[tuple[str, int]]:
    """Yield each reason and how many rows have it, the most frequent first."""
    counted = rejected.group_by("reason").aggregate([([], "count_all")])
    ordered = counted.sort_by([("count_all", "descending"), ("reason", "ascending")])
    yield from zip(ordered["reason"].to_pylist(), ordered["count_all"].to_pylist(), strict=True)
