"""The canonical tables' columns: names, Arrow types and what each means.

Money is decimal with four places (ISO 4217 knows currencies with up to four); windows sum it as integers
of 1/10,000 ("minor units" here). Times are UTC with microseconds. Identifiers ending in `_id` that come
from a person or device are keyed hashes, never the raw value.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 4)
MINOR_UNITS = 10_000
MONEY_TOTAL = pa.decimal128(38, 4)
"""Money that was added up: no number of payments is too many for it."""

FRAUD = 1
GOOD = 0

EVENT_DATE = "event_date"
"""Partition column of `transactions`: the UTC date of `event_time`, kept in the path only."""


@dataclass(frozen=True)
class Column:
    """A column of a table, with a sentence that says what it holds. A `required` one is never null."""

    name: str
    type: pa.DataType
    about: str
    required: bool = False

    @property
    def field(self) -> pa.Field:
        """The column as Arrow declares it."""
        return pa.field(self.name, self.type, nullable=not self.required)


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of these columns, in their order."""
    return pa.schema([column.field for column in columns])


TEXT, COUNT, NUMBER = pa.string(), pa.int64(), pa.float64()

TRANSACTION_COLUMNS: tuple[Column, ...] = (
    Column("transaction_id", TEXT, "Id of the payment, unique in the lake", required=True),
    Column("event_time", TIMESTAMP, "When the payment was made (UTC)", required=True),
    Column("amount", MONEY, "Amount in units of the currency"),
    Column("currency", TEXT, "ISO 4217 code of the currency"),
    Column("account_id", TEXT, "Keyed hash of the account that pays"),
    Column("merchant_id", TEXT, "The merchant or account that is paid"),
    Column("device_id", TEXT, "Keyed hash of the device"),
    Column("source_ip_id", TEXT, "Keyed hash of the source IP"),
    Column("email_id", TEXT, "Keyed hash of the e-mail address"),
    Column("phone_id", TEXT, "Keyed hash of the phone number"),
    Column("category", TEXT, "Category of the merchant or product"),
    Column("card_bin", TEXT, "First digits of the card number: its issuer"),
    Column("card_last4", TEXT, "Last four digits of the card number"),
    Column("label", pa.int8(), "1 fraud, 0 good, null unknown"),
    Column("label_time", TIMESTAMP, "When the label was given (UTC)"),
    Column("source", TEXT, "Name of the input file, without its folder", required=True),
    Column(
        "source_line",
        COUNT,
        "Number of the record in the input file; of a CSV file its line",
        required=True,
    ),
)
"""Columns of every `transactions` table; a mapping's own evidence columns come after them."""

TRANSACTION_FIELDS: tuple[pa.Field, ...] = tuple(column.field for column in TRANSACTION_COLUMNS)

SCORED_EVIDENCE_COLUMNS = tuple(
    column for column in TRANSACTION_COLUMNS if column.name in ("transaction_id", "event_time", "account_id")
)
EVIDENCE_COLUMNS = (
    *SCORED_EVIDENCE_COLUMNS,
    *(column for column in TRANSACTION_COLUMNS if column.name in ("merchant_id", "category", "currency", "label")),
    Column("known_at", TIMESTAMP, "From when on the label may be used (UTC)"),
)
"""What evidence has besides the features and the columns that its mapping declares."""

REJECTED_COLUMNS = (
    Column("source", TEXT, "Name of the input file, without its folder", required=True),
    Column(
        "source_line",
        COUNT,
        "Number of the record in the input file; of a CSV file its line",
        required=True,
    ),
    Column("reason", TEXT, "Stable code of the reason", required=True),
    Column("message", TEXT, "The reason in words; names the column, never a personal value", required=True),
)
REJECTED = schema_of(REJECTED_COLUMNS)

ADDRESS_COLUMNS = (
    Column("source_ip_id", TEXT, "Keyed hash of the source IP, as in `transactions`", required=True),
    Column("address", TEXT, "The address in its normal form; null where the field held none"),
)
ADDRESSES = schema_of(ADDRESS_COLUMNS)
"""Restricted: the source IPs behind the keyed hashes of a run of `transactions`, one row each."""

LABEL_COLUMNS = (
    Column("transaction_id", TEXT, "The payment that the label is of", required=True),
    Column("label", pa.int8(), "1 fraud, 0 good; null: what was said before does not count"),
    Column("label_time", TIMESTAMP, "When it became known (UTC), if whoever said it told"),
    Column("said_by", TEXT, "Who said it: a mapping of files, an analyst, a service", required=True),
    Column("said_at", TIMESTAMP, "When it was said (UTC); null: with the payment, by its own file"),
    Column("source", TEXT, "Name of the input file, without its folder; null if no file said it"),
    Column("source_line", COUNT, "Number of the record in the input file; of a CSV file its line"),
    Column("sequence", COUNT, "Number of the label, in the order in which they came", required=True),
)
LABELS = schema_of(LABEL_COLUMNS)
"""What was said of payments after they were collected; nothing of it is ever taken back."""

SOURCE_IP_COLUMNS = (
    Column("source_ip_id", TEXT, "Keyed hash of the source IP", required=True),
    Column("address", TEXT, "The address in its normal form; null where it is unreadable or was never kept"),
    Column("version", pa.int8(), "4 or 6"),
    Column("kind", TEXT, "Public, private, ..., or unreadable; null if the address was never kept"),
    Column("prefix", TEXT, "The /24 or /48 around the address"),
    Column("country", TEXT, "ISO 3166-1 alpha-2 code; null without a database of networks"),
    Column("asn", COUNT, "Number of the autonomous system that announces the address; null without a database"),
    Column("network", TEXT, "Who runs that autonomous system; null without a database"),
    Column("first_seen", TIMESTAMP, "Event time of its first payment", required=True),
    Column("last_seen", TIMESTAMP, "Event time of its last payment", required=True),
    Column("payments", COUNT, "Number of its payments", required=True),
    Column("accounts", COUNT, "Number of distinct accounts that paid from it", required=True),
    Column("blocklists", pa.int32(), "How many blocklists name it; null without a list or an address"),
)
SOURCE_IPS = schema_of(SOURCE_IP_COLUMNS)
"""Restricted: every source IP that was seen, with what is known of its address. Ordered by source_ip_id."""

_AMOUNT_OF_CURRENCY = pa.struct(
    [
        pa.field("currency", TEXT),
        pa.field("payments", COUNT, nullable=False),
        pa.field("total", MONEY_TOTAL, nullable=False),
    ]
)

SOURCE_IP_DAY_COLUMNS = (
    Column("source_ip_id", TEXT, "Keyed hash of the source IP", required=True),
    Column(EVENT_DATE, pa.date32(), "The day (UTC)", required=True),
    Column("payments", COUNT, "Number of its payments; 0 where only a fraud became known", required=True),
    Column("accounts", COUNT, "Number of distinct accounts that paid from it that day", required=True),
    Column(
        "amounts",
        pa.list_(_AMOUNT_OF_CURRENCY),
        "By currency, of the payments that have an amount: their number and total; unknown currency last",
        required=True,
    ),
    Column("frauds_known", COUNT, "Frauds of any earlier day that became known on this one", required=True),
)
SOURCE_IP_DAYS = schema_of(SOURCE_IP_DAY_COLUMNS)
"""What each source IP did, day by day, and what became known of it. Ordered by date and source_ip_id."""

PRECEDENT = pa.struct(
    [
        pa.field("reference_id", TEXT),
        pa.field("label", pa.int8()),  # 1 fraud, 0 good
        pa.field("similarity", pa.float32()),  # cosine
        pa.field("event_time", TIMESTAMP),
    ]
)

REASON = pa.struct(
    [
        pa.field("topic", TEXT),
        pa.field("contribution", NUMBER),  # to the margin
        pa.field("words", TEXT),
    ]
)

SCORE_COLUMNS = (
    Column("transaction_id", TEXT, "Id of the payment", required=True),
    Column("event_time", TIMESTAMP, "When the payment was made (UTC)", required=True),
    Column("account_id", TEXT, "Keyed hash of the account that pays"),
    Column("anomaly_signal", NUMBER, "In [0, 1], higher is riskier", required=True),
    Column("signal_kind", TEXT, "calibrated (a probability of fraud) or novelty (no frauds known yet)", required=True),
    Column(
        "decision", TEXT, "allow, review or block, by the release's thresholds and the policy in force", required=True
    ),
    Column("margin", NUMBER, "Similarity to frauds less similarity to good payments", required=True),
    Column("usual_margin", NUMBER, "The margin with all evidence at its usual values; the reasons make the rest"),
    Column("reasons", pa.list_(REASON), "Greatest contribution first; null where the payment is allowed"),
    Column("fraud_similarity", NUMBER, "Mean cosine to the nearest known frauds; null without frauds"),
    Column("good_similarity", NUMBER, "Mean cosine to the nearest known good payments"),
    Column("novelty", NUMBER, "Share of unseen good payments that are less strange", required=True),
    Column("precedents", pa.list_(PRECEDENT), "The nearest references, frauds first, each side most similar first"),
    Column("fraud_tied", pa.bool_(), "Whether the next fraud is as similar as the last one named"),
    Column("good_tied", pa.bool_(), "Whether the next good payment is as similar as the last one named"),
    Column("release_id", TEXT, "The release that made the score", required=True),
    Column("overlay_seq", COUNT, "Number of analysts' confirmations it had seen; 0 is the base alone", required=True),
    Column("policy_version", TEXT, "The rule set in force; null where the thresholds alone decided"),
    Column(
        "policy_hits", pa.list_(TEXT), "What spoke, strongest first: effect, then rule or list; null without a policy"
    ),
)
SCORES = schema_of(SCORE_COLUMNS)

FORGOTTEN_COLUMNS = (
    Column("account_id", TEXT, "Pseudonym of a forgotten account, whose rows are never collected again", required=True),
    Column("kind", TEXT, "What the row tells of the account (domain.privacy.forgetting.Trace)", required=True),
    Column("place", TEXT, "Table, run, release or file where it was found", required=True),
    Column("name", TEXT, "Which row, reference or file, or how many", required=True),
)
FORGOTTEN = schema_of(FORGOTTEN_COLUMNS)
"""Restricted: the accounts that were forgotten, and where they were found. No value of a payment is in it."""


def transactions_schema(
    numeric: tuple[str, ...] = (), categorical: tuple[str, ...] = (), textual: tuple[str, ...] = ()
) -> pa.Schema:
    """Schema of `transactions` for a mapping that declares these evidence columns."""
    evidence = [pa.field(name, NUMBER) for name in numeric]
    evidence += [pa.field(name, TEXT) for name in (*categorical, *textual)]
    return pa.schema([*TRANSACTION_FIELDS, *evidence])
