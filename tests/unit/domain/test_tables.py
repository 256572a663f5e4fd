"""The registry of tables is what all who need a table's name, columns or place in the order read."""

import pyarrow as pa
import pytest

from counterfoil.domain.schemas import SCORES, transactions_schema
from counterfoil.domain.tables import (
    ADDRESSES,
    LABELS_TABLE,
    PUBLISHED_TABLES,
    REJECTED_ROWS,
    SCORE_TABLE,
    SCORED,
    TABLES,
    TRANSACTIONS,
    Table,
    table_of,
    written_by,
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_described_and_rows_have_an_order(table: Table) -> None:
    assert table.about
    assert all(column.about and not column.about.endswith(".") for column in table.columns)
    names = table.schema.names
    assert len(set(names)) == len(names)
    assert set(table.order) <= set(names)


def test_names_are_told_apart() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)
    assert table_of("no such table") is None


def test_scores_are_published_last_and_after_the_payments() -> None:
    assert PUBLISHED_TABLES[-2:] == SCORED
    assert PUBLISHED_TABLES.index(TRANSACTIONS) < PUBLISHED_TABLES.index(SCORE_TABLE)
    assert written_by("collect") == (REJECTED_ROWS, ADDRESSES, LABELS_TABLE, TRANSACTIONS)


def test_raw_addresses_stand_in_restricted_tables_only() -> None:
    assert all(table.restricted for table in TABLES if "address" in table.schema.names)


def test_the_declared_schemas_are_those_that_are_written() -> None:
    scores, transactions = table_of(SCORE_TABLE), table_of(TRANSACTIONS)
    assert scores is not None
    assert transactions is not None
    assert scores.schema.equals(SCORES)
    written = transactions_schema(("own",), ("kind",))
    assert pa.schema(list(written)[: len(transactions.columns)]).equals(transactions.schema)
