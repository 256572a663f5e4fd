"""Named questions on Athena, through awswrangler: over the tables that publishing keeps in Glue."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from counterfoil.adapters.aws.clients import aws_reported


def ask_athena(sql: str, values: Mapping[str, Any], *, database: str, workgroup: str = "primary") -> pa.Table:
    """Run a query in Athena's dialect whose parameters stand as `:name`; the answer has Athena's types.

    Raises StoreUnavailableError, which names the database and Athena's reason.
    """
    import awswrangler

    with aws_reported(f"Athena database {database!r}"):
        frame = awswrangler.athena.read_sql_query(
            sql, database=database, params=athena_values(values), workgroup=workgroup, dtype_backend="pyarrow"
        )
    return pa.Table.from_pandas(frame, preserve_index=False)


def athena_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with floats as decimals: awswrangler would cut a threshold after six places."""
    return {name: Decimal(repr(value)) if isinstance(value, float) else value for name, value in values.items()}
