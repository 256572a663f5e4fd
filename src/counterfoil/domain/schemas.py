"""The canonical tables: names, Arrow types and what each column means.

Money is decimal with four places (ISO 4217 knows currencies with up to four); windows sum it as integers
of 1/10,000 ("minor units" here). Times are UTC with microseconds. Identifiers ending in `_id` that come
from a person or device are keyed hashes, never the raw value.
"""

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 4)
MINOR_UNITS = 10_000

FRAUD = 1
GOOD = 0

TRANSACTION_FIELDS: tuple[pa.Field, ...] = (
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("event_time", TIMESTAMP, nullable=False),
    pa.field("amount", MONEY),
    pa.field("currency", pa.string()),
    pa.field("account_id", pa.string()),  # keyed hash
    pa.field("merchant_id", pa.string()),
    pa.field("device_id", pa.string()),  # keyed hash
    pa.field("source_ip_id", pa.string()),  # keyed hash
    pa.field("email_id", pa.string()),  # keyed hash
    pa.field("phone_id", pa.string()),  # keyed hash
    pa.field("category", pa.string()),  # of the merchant or product
    pa.field("card_bin", pa.string()),
    pa.field("card_last4", pa.string()),
    pa.field("label", pa.int8()),  # 1 fraud, 0 good, null unknown
    pa.field("label_time", TIMESTAMP),
    pa.field("source", pa.string(), nullable=False),  # file name, without its folder
    pa.field("source_line", pa.int64(), nullable=False),  # record number; the header is line 1
)
"""Columns of every `transactions` table; a mapping's own evidence columns come after them."""

EVENT_DATE = "event_date"
"""Partition column of `transactions`: the UTC date of `event_time`, kept in the path only."""

REJECTED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_line", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # a stable code
        pa.field("message", pa.string(), nullable=False),  # names the column, never a personal value
    ]
)


def transactions_schema(
    numeric: tuple[str, ...] = (), categorical: tuple[str, ...] = (), textual: tuple[str, ...] = ()
) -> pa.Schema:
    """Schema of `transactions` for a mapping that declares these evidence columns."""
    evidence = [pa.field(name, pa.float64()) for name in numeric]
    evidence += [pa.field(name, pa.string()) for name in (*categorical, *textual)]
    return pa.schema([*TRANSACTION_FIELDS, *evidence])
