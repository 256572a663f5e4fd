"""Forget an account: which rows of any table are its own, and where else it is named.

A payment's id counts where ids of payments stand only: in other columns the same text may be anything. A pseudonym
is a keyed hash of 128 bits and is looked for everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

ACCOUNT_FORGOTTEN = "account_forgotten"
"""The reason code of rows that are not collected because their account was forgotten."""

PAYMENT_IDS = ("transaction_id", "reference_id")
"""The columns and fields that hold ids of payments."""

FORGOTTEN_PRECEDENT = {"reference_id": None, "event_time": None}
"""What is left of a precedent that was a payment of a forgotten account: its label and similarity stay."""


class Trace(StrEnum):
    """What a row of FORGOTTEN tells of the account."""

    ACCOUNT = "account"
    ROWS = "rows"  # `place`: a table, `name`: how many of its rows were the account's
    PAYMENT = "payment"  # `name`: a transaction id
    OWN_SCORE = "own_score"  # `place`: a run of scores, `name`: a transaction id
    TOUCHED_SCORE = "touched_score"  # the same, of another account's payment that cites one of this account or paid it
    REFERENCE = "reference"  # `place`: a release, `name`: the id of one of its references
    SOURCE = "source"  # `place`: an input file
    PAYEE_ROWS = "payee_rows"  # `place`: a table, `name`: how many rows of others name the account, as the one paid
    PAYEE_REFERENCES = "payee_references"  # `place`: a release, `name`: how many of its references do


@dataclass(frozen=True)
class Marks:
    """What an account is known by: its pseudonym, the ids of its payments, and source IPs that only it used."""

    account: str
    payments: frozenset[str]
    source_ips: frozenset[str] = frozenset()


def without(rows: pa.Table, marks: Marks) -> pa.Table:
    """Return a table's rows without those of the account, and others without its name and without its payments
    among the precedents."""
    kept = unnamed(rows.filter(pc.invert(own_rows(rows, marks))), marks.account)
    if "precedents" in kept.column_names:
        place = kept.schema.get_field_index("precedents")
        kept = kept.set_column(place, kept.schema.field(place), _uncited(kept.column(place), marks.payments))
    return kept


def unnamed(rows: pa.Table, account: str) -> pa.Table:
    """Return rows with null wherever a column of theirs names the account, as the one that is paid."""
    for name in columns_of_others(rows.schema):
        named = _is_in(rows.column(name), {account})
        if pc.any(named).as_py():
            place = rows.schema.get_field_index(name)
            blank = pc.if_else(named, pa.scalar(None, rows.schema.field(place).type), rows.column(name))
            rows = rows.set_column(place, rows.schema.field(place), blank)
    return rows


def columns_of_others(schema: pa.Schema) -> list[str]:
    """The columns of text that may name an account whose row it is not, such as the one that is paid."""
    texts = (field for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    return [field.name for field in texts if field.nullable and field.name != "account_id"]


def own_rows(rows: pa.Table, marks: Marks) -> pa.ChunkedArray | pa.Array:
    """Tell which rows are the account's: by its pseudonym; where there is none, by its payments or source IPs."""
    own = pa.array([False] * rows.num_rows, pa.bool_())
    if "transaction_id" in rows.column_names:
        own = pc.and_(_is_in(rows.column("transaction_id"), marks.payments), pc.invert(_of_others(rows, marks)))
    if "account_id" in rows.column_names:
        return pc.or_(own, _is_in(rows.column("account_id"), {marks.account}))
    return pc.or_(own, _is_in(rows.column("source_ip_id"), marks.source_ips)) if _is_of_ips(rows) else own


def mentions(rows: pa.Table, marks: Marks, *, of_anybody: bool = False) -> int:
    """Count the values anywhere in a table, in lists and structs too, that name the account.

    A payment's id that stands in a row of another account is that account's, which took it later, unless
    `of_anybody`.
    """
    found = 0
    for name, values in _leaves(rows):
        found += _count(values, {marks.account})
        if name in PAYMENT_IDS:
            found += _count(values, marks.payments)
        elif name == "source_ip_id" and _is_of_ips(rows):
            found += _count(values, marks.source_ips)
    if of_anybody or "transaction_id" not in rows.column_names:
        return found
    return found - _count(rows.column("transaction_id").filter(_of_others(rows, marks)), marks.payments)


def has_texts(kind: pa.DataType) -> bool:
    """Whether there are texts in values of a type, however deep: only there can an account be named."""
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return has_texts(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return has_texts(kind.value_type)
    if pa.types.is_struct(kind):
        return any(has_texts(field.type) for field in kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_of_ips(rows: pa.Table) -> bool:
    """Whether a table is of source IPs: one with accounts tells itself whose a row is."""
    return "source_ip_id" in rows.column_names and "account_id" not in rows.column_names


def _of_others(rows: pa.Table, marks: Marks) -> pa.ChunkedArray | pa.Array:
    """Tell which rows are of another account, for sure."""
    if "account_id" not in rows.column_names:
        return pa.array([False] * rows.num_rows, pa.bool_())
    return pc.fill_null(pc.not_equal(rows.column("account_id"), marks.account), False)


def _leaves(rows: pa.Table) -> Iterator[tuple[str, pa.Array | pa.ChunkedArray]]:
    """Yield the texts of a table with the names of their columns or fields, however deep."""
    for name in rows.column_names:
        for chunk in rows.column(name).chunks:
            yield from _texts(name, chunk)


def _texts(name: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    kind = values.type
    if pa.types.is_dictionary(kind):
        yield from _texts(name, values.dictionary_decode())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield name, values
    elif pa.types.is_struct(kind):
        for place, field in enumerate(kind):
            yield from _texts(field.name, pc.struct_field(values, place))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _texts(name, values.flatten())


def _uncited(precedents: pa.ChunkedArray, payments: frozenset[str]) -> pa.Array:
    """Precedents without the ids and times of these payments."""
    lists = [
        None if cited is None else [_without_name(one) if one["reference_id"] in payments else one for one in cited]
        for cited in precedents.to_pylist()
    ]
    return pa.array(lists, precedents.type)


def _without_name(precedent: dict[str, object]) -> dict[str, object]:
    return {**precedent, **FORGOTTEN_PRECEDENT}


def _is_in(values: pa.ChunkedArray | pa.Array, names: frozenset[str] | set[str]) -> pa.ChunkedArray | pa.Array:
    return pc.is_in(values.cast(pa.string()), value_set=pa.array(sorted(names), pa.string()))


def _count(values: pa.ChunkedArray | pa.Array, names: frozenset[str] | set[str]) -> int:
    return int(pc.sum(_is_in(values, names)).as_py() or 0) if names else 0
