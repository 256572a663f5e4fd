"""The tables of the lake, each declared once: what it holds, who publishes it, and when.

From here follow the channels of the pipelines, the order of publication, the order in which a key is rotated,
what an account's removal begins with, Glue's tables, and the data dictionary.
"""

from dataclasses import dataclass

import pyarrow as pa

from counterfoil.domain import schemas
from counterfoil.domain.schemas import Column, schema_of

TRANSACTIONS = "transactions"
REJECTED_ROWS = "rejected"
ADDRESSES = "addresses"
LABELS_TABLE = "labels"
SOURCE_IP_TABLE = "source_ips"
SOURCE_IP_DAY_TABLE = "source_ip_days"
EVIDENCE = "evidence"
SCORE_TABLE = "scores"
SCORED_EVIDENCE = "scored_evidence"
FORGOTTEN_TABLE = "forgotten"


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    `columns` are those that every lake has; with `open_columns` a mapping or a release adds its own. `step` writes
    it. `order` sorts its rows. A `restricted` table holds raw addresses or names forgotten accounts. A table
    `by_date` lies in folders by event date.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    step: str
    order: tuple[str, ...] = ()
    restricted: bool = False
    by_date: bool = False
    open_columns: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the columns that every lake has."""
        return schema_of(self.columns)


TABLES: tuple[Table, ...] = (
    Table(
        REJECTED_ROWS, "Input rows that could not be used, each with its reason",
        schemas.REJECTED_COLUMNS, "collect",
    ),
    Table(
        ADDRESSES, "The source IPs behind the keyed hashes",
        schemas.ADDRESS_COLUMNS, "collect", order=("source_ip_id",), restricted=True,
    ),
    Table(
        LABELS_TABLE, "What was said of payments after they were collected: append-only",
        schemas.LABEL_COLUMNS, "collect", order=("sequence",),
    ),
    Table(
        SOURCE_IP_TABLE, "Every source IP that was seen, with what is known of its address",
        schemas.SOURCE_IP_COLUMNS, "curate", order=("source_ip_id",), restricted=True,
    ),
    Table(
        SOURCE_IP_DAY_TABLE, "What each source IP did, day by day, and what became known of it",
        schemas.SOURCE_IP_DAY_COLUMNS, "curate", order=(schemas.EVENT_DATE, "source_ip_id"),
    ),
    Table(
        TRANSACTIONS, "Clean payments, one row each",
        schemas.TRANSACTION_COLUMNS, "collect", order=("event_time", "transaction_id"), by_date=True, open_columns=True,
    ),
    Table(
        EVIDENCE, "What was known of each payment at its moment",
        schemas.EVIDENCE_COLUMNS, "features", order=("event_time", "transaction_id"), open_columns=True,
    ),
    Table(
        SCORED_EVIDENCE, "The evidence of scored payments, as the release read it",
        schemas.SCORED_EVIDENCE_COLUMNS, "detect", order=("event_time", "transaction_id"), open_columns=True,
    ),
    Table(
        SCORE_TABLE, "Anomaly signals with their decisions, reasons and precedents",
        schemas.SCORE_COLUMNS, "detect", order=("event_time", "transaction_id"),
    ),
    Table(
        FORGOTTEN_TABLE, "Accounts that were forgotten, and where they were found",
        schemas.FORGOTTEN_COLUMNS, "forget", order=("account_id", "kind", "place", "name"), restricted=True,
    ),
)  # fmt: skip
"""In the order of publication: payments become visible after what is said about them, scores last."""

PUBLISHED_TABLES = tuple(table.name for table in TABLES if table.name not in (EVIDENCE, FORGOTTEN_TABLE))
"""What the pipeline detection publishes, in this order."""

SCORED = (SCORED_EVIDENCE, SCORE_TABLE)
"""What scoring writes: whoever sees a score can replay it."""


def written_by(step: str) -> tuple[str, ...]:
    """Names of the tables that a step writes, in the order of publication."""
    return tuple(table.name for table in TABLES if table.step == step)


def table_of(name: str) -> Table | None:
    """The declaration of a table, or None for a table that is not ours."""
    return next((table for table in TABLES if table.name == name), None)
