"""The canonical tables: names, Arrow types and what each column means.

Money is decimal with four places (ISO 4217 knows currencies with up to four); windows sum it as integers
of 1/10,000 ("minor units" here). Times are UTC with microseconds. Identifiers ending in `_id` that come
from a person or device are keyed hashes, never the raw value.
"""

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 4)
MINOR_UNITS = 10_000
MONEY_TOTAL = pa.decimal128(38, 4)
"""Money that was added up: no number of payments is too many for it."""

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

ADDRESSES = pa.schema(
    [
        pa.field("source_ip_id", pa.string(), nullable=False),  # as in `transactions`
        pa.field("address", pa.string()),  # normal form; null where the field held no address
    ]
)
"""Restricted: the source IPs behind the keyed hashes of a run of `transactions`, one row each."""

LABELS = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),  # 1 fraud, 0 good
        pa.field("label_time", TIMESTAMP),  # when it became known, if who said it told
        pa.field("said_by", pa.string(), nullable=False),  # a file's mapping, an analyst, a service
        pa.field("said_at", TIMESTAMP),  # null: with the payment, by its own file
        pa.field("source", pa.string()),  # file name, without its folder
        pa.field("source_line", pa.int64()),  # record number
        pa.field("sequence", pa.int64(), nullable=False),  # of all that was said, in the order of its coming
    ]
)
"""What was said of payments after they were collected; nothing of it is ever taken back. Ordered by sequence."""

SOURCE_IPS = pa.schema(
    [
        pa.field("source_ip_id", pa.string(), nullable=False),
        pa.field("address", pa.string()),  # normal form; null where it is unreadable or was never kept
        pa.field("version", pa.int8()),  # 4 or 6
        pa.field("kind", pa.string()),  # domain.addresses.kind_of, "unreadable", or null if it was never kept
        pa.field("prefix", pa.string()),  # the /24 or /48 around it
        pa.field("country", pa.string()),  # ISO 3166-1 alpha-2; these three are null without a database of networks
        pa.field("asn", pa.int64()),  # number of the autonomous system that announces it
        pa.field("network", pa.string()),  # who runs that system
        pa.field("first_seen", TIMESTAMP, nullable=False),  # event time of its first payment
        pa.field("last_seen", TIMESTAMP, nullable=False),
        pa.field("payments", pa.int64(), nullable=False),
        pa.field("accounts", pa.int64(), nullable=False),  # distinct
        pa.field("blocklists", pa.int32()),  # how many name it; null without a list or an address
    ]
)
"""Restricted: every source IP that was seen, with what is known of its address. Ordered by source_ip_id."""

SOURCE_IP_DAYS = pa.schema(
    [
        pa.field("source_ip_id", pa.string(), nullable=False),
        pa.field(EVENT_DATE, pa.date32(), nullable=False),  # UTC
        pa.field("payments", pa.int64(), nullable=False),  # 0 where only a fraud became known
        pa.field("accounts", pa.int64(), nullable=False),  # distinct, of that day
        pa.field(
            "amounts",  # by currency, of the payments that have an amount; unknown currency last
            pa.list_(
                pa.struct(
                    [
                        pa.field("currency", pa.string()),
                        pa.field("payments", pa.int64(), nullable=False),
                        pa.field("total", MONEY_TOTAL, nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
        pa.field("frauds_known", pa.int64(), nullable=False),  # of any earlier day, that became known on this one
    ]
)
"""What each source IP did, day by day, and what became known of it. Ordered by date and source_ip_id."""


def transactions_schema(
    numeric: tuple[str, ...] = (), categorical: tuple[str, ...] = (), textual: tuple[str, ...] = ()
) -> pa.Schema:
    """Schema of `transactions` for a mapping that declares these evidence columns."""
    evidence = [pa.field(name, pa.float64()) for name in numeric]
    evidence += [pa.field(name, pa.string()) for name in (*categorical, *textual)]
    return pa.schema([*TRANSACTION_FIELDS, *evidence])


PRECEDENT = pa.struct(
    [
        pa.field("reference_id", pa.string()),
        pa.field("label", pa.int8()),  # 1 fraud, 0 good
        pa.field("similarity", pa.float32()),  # cosine
        pa.field("event_time", TIMESTAMP),
    ]
)


REASON = pa.struct(
    [
        pa.field("topic", pa.string()),
        pa.field("contribution", pa.float64()),  # to the margin
        pa.field("words", pa.string()),
    ]
)


SCORES = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("event_time", TIMESTAMP, nullable=False),
        pa.field("account_id", pa.string()),
        pa.field("anomaly_signal", pa.float64(), nullable=False),  # in [0, 1], higher is riskier
        pa.field("signal_kind", pa.string(), nullable=False),  # calibrated or novelty
        pa.field("decision", pa.string(), nullable=False),  # allow, review or block, by the release's thresholds
        pa.field("margin", pa.float64(), nullable=False),  # what the probability is made of; higher is riskier
        pa.field("usual_margin", pa.float64()),  # with all evidence at its usual values; the reasons make the rest
        pa.field("reasons", pa.list_(REASON)),  # greatest contribution first; null below the threshold of review
        pa.field("fraud_similarity", pa.float64()),  # mean cosine to the nearest frauds; null without frauds
        pa.field("good_similarity", pa.float64()),
        pa.field("novelty", pa.float64(), nullable=False),  # share of unseen good payments that are less strange
        pa.field("precedents", pa.list_(PRECEDENT)),  # frauds first, each side most similar first
        pa.field("fraud_tied", pa.bool_()),  # the next fraud is as similar as the last one named
        pa.field("good_tied", pa.bool_()),
        pa.field("release_id", pa.string(), nullable=False),
        pa.field("overlay_seq", pa.int64(), nullable=False),  # analysts' feedback seen; 0 is the base alone
    ]
)


FORGOTTEN = pa.schema(
    [
        pa.field("account_id", pa.string(), nullable=False),  # the pseudonym: such rows are never collected again
        pa.field("kind", pa.string(), nullable=False),  # Trace
        pa.field("place", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
    ]
)
"""Restricted: the accounts that were forgotten, and where they were found. No value of a payment is in it."""
