"""The table of forgotten accounts: whose rows are never collected again, and where each account was found."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.privacy.forgetting import Trace
from counterfoil.domain.schemas import FORGOTTEN
from counterfoil.domain.tables import FORGOTTEN_TABLE
from counterfoil.ports.lake import TableStore

Place = tuple[str, str]

_COUNTED = (Trace.ROWS, Trace.PAYEE_ROWS, Trace.PAYEE_REFERENCES)
"""Traces whose name is a number."""


@dataclass(frozen=True)
class Traces:
    """Where an account was found, as (kind, place, name). Joined with what is found later, nothing is lost."""

    account: str
    found: frozenset[tuple[str, str, str]]

    def of(self, kind: Trace) -> list[Place]:
        """The places and names of one kind, sorted."""
        return sorted((place, name) for one, place, name in self.found if one == kind)

    def names(self, kind: Trace) -> frozenset[str]:
        """The names of one kind."""
        return frozenset(name for one, _, name in self.found if one == kind)

    def joined(self, later: Iterable[tuple[str, str, str]]) -> "Traces":
        """These and later ones; of what is counted the first count stays."""
        counted = {(kind, place) for kind, place, _ in self.found if kind in _COUNTED}
        new = {trace for trace in later if trace[:2] not in counted}
        return Traces(self.account, self.found | new)


def forgotten_accounts(tables: TableStore) -> frozenset[str]:
    """The pseudonyms of all forgotten accounts."""
    files = tables.files(FORGOTTEN_TABLE)
    columns = [pq.read_table(path, columns=["account_id"], partitioning=None).column(0) for path in files]
    return frozenset(name for column in columns for name in column.unique().to_pylist())


def read_traces(tables: TableStore, account: str) -> Traces | None:
    """What is kept of a forgotten account, or None if it never was."""
    wanted = [("account_id", "=", account)]
    parts = [pq.read_table(path, filters=wanted, partitioning=None) for path in tables.files(FORGOTTEN_TABLE)]
    rows = frozenset((row["kind"], row["place"], row["name"]) for part in parts for row in part.to_pylist())
    return Traces(account, rows) if rows else None


def keep_traces(tables: TableStore, traces: Traces) -> None:
    """Write down what was found of an account; from now on its rows are not collected."""
    rows = sorted({*traces.found, (Trace.ACCOUNT.value, "", "")})
    columns = [pa.array([traces.account] * len(rows)), *(pa.array([row[at] for row in rows]) for at in range(3))]
    staged = tables.stage(FORGOTTEN_TABLE, traces.account)
    pq.write_table(pa.Table.from_arrays(columns, schema=FORGOTTEN), staged / "part-0.parquet", compression="zstd")
    tables.publish(FORGOTTEN_TABLE, traces.account)
