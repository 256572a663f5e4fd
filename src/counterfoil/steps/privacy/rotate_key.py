"""Carry a lake to the next pseudonym key: every table is copied to another lake, its pseudonyms hashed again.

The old lake stays what it is, so nothing is ever of two keys: whoever uses the new key uses the new lake. A copy
that was killed is made again.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.intake.mapping_model import PSEUDONYMS
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, hashed_again
from counterfoil.domain.tables import TABLES, TRANSACTIONS
from counterfoil.errors import UsageError
from counterfoil.ports.lake import FileLedger, TableStore
from counterfoil.ports.releases import DecisionLog, LoggedDecision
from counterfoil.progress import Progress
from counterfoil.steps.lake.keys import HASHED, KEY_ID, require_key
from counterfoil.steps.lake.rewriting import below_run, keep, rewrite

ROTATE_KEY = "rotate_key"

_ORDERS = {table.name: table.order for table in TABLES if "source_ip_id" in table.order}
"""Tables that are ordered by a pseudonym, and how."""


@dataclass(frozen=True)
class Rekeyed:
    """A table that was copied: its runs and rows, and the columns that have other pseudonyms now."""

    table: str
    runs: int
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Rotation:
    """The key ids before and after, the tables that were copied, and where the lake of the earlier key is."""

    earlier: str | None
    later: str
    tables: tuple[Rekeyed, ...]
    old_lake: str | None


def rekey(
    source: TableStore,
    target: TableStore,
    earlier: PseudonymKeys,
    later: PseudonymKeys,
    *,
    progress: Progress = Progress(),
) -> list[Rekeyed]:
    """Copy all tables of the lake `source`, whose pseudonyms are of the keys `earlier`, to `target` under `later`.

    Raises UsageError if `later` are not the earlier keys and one more, `source` is of other keys or was written to
    meanwhile, or `target` has what `source` has not.
    """
    if not later.extend(earlier):
        raise UsageError("the next pseudonym keys must be the present ones and one more: put the new one at the end")
    require_key(source, earlier)
    _require_no_hashed_fields(source)
    before = _files(source)
    _require_nothing_else(target, source)
    done = []
    for table in source.tables():
        progress.begin(f"table {table}")
        done.append(_rekey_table(source, target, table, later))
    if _files(source) != before:
        raise UsageError("the lake was written to while it was copied: stop what writes to it, and run this again")
    return done


def _rekey_table(source: TableStore, target: TableStore, table: str, keys: PseudonymKeys) -> Rekeyed:
    rows, columns = 0, set[str]()
    target.prepare(table)
    runs = source.runs(table)
    for run in runs:
        staged = target.stage(table, run)
        for path in source.files(table, run):
            columns |= set(_rekey_file(path, staged / below_run(path), table, keys))
            rows += pq.read_metadata(path).num_rows
        target.publish(table, run)
    return Rekeyed(table, len(runs), rows, tuple(sorted(columns)))


def _rekey_file(source: Path, target: Path, table: str, keys: PseudonymKeys) -> list[str]:
    """Write a file under the next key; return which of its columns are pseudonyms."""
    columns = [name for name in PSEUDONYMS.values() if name in pq.read_schema(source).names]
    if columns:
        change = partial(_hashed_again, columns=columns, key=keys.keys[-1], order=_ORDERS.get(table, ()))
        rewrite(source, target, change, marks={KEY_ID: keys.key_id.encode()}, whole=table in _ORDERS)
    else:
        keep(source, target)
    return columns


def _hashed_again(rows: pa.Table, *, columns: list[str], key: bytes, order: tuple[str, ...]) -> pa.Table:
    for name in columns:
        place = rows.schema.get_field_index(name)
        renewed = hashed_again(rows.column(name).combine_chunks(), key)
        rows = rows.set_column(place, rows.schema.field(place), renewed)
    return rows.sort_by([(name, "ascending") for name in order]) if order else rows


def _files(tables: TableStore) -> dict[str, list[Path]]:
    return {table: tables.files(table) for table in tables.tables()}


def _require_no_hashed_fields(source: TableStore) -> None:
    """Merchants that are hashed (privacy.hashed) stand in tables and references that do not say so."""
    for path in source.files(TRANSACTIONS):
        if HASHED in (pq.read_schema(path).metadata or {}):
            raise UsageError(
                "the lake holds merchants as keyed hashes (a mapping's privacy.hashed), which cannot be hashed again: "
                "collect the raw files under the new key into a new workspace"
            )


def _require_nothing_else(target: TableStore, source: TableStore) -> None:
    for table in target.tables():
        extra = sorted(set(target.runs(table)) - set(source.runs(table)))
        if extra:
            raise UsageError(
                f"the lake to copy to has run {extra[0]!r} of table {table!r}, which the lake to copy from has not: "
                "name a place of its own"
            )


def require_quiet(ledger: FileLedger) -> None:
    """Raise UsageError if a living process is collecting a file; claims of dead ones are given up."""
    for entry in ledger.entries():
        if entry.state != "claimed":
            continue
        if not ledger.claim(entry.file, entry.mapping):
            raise UsageError(f"{entry.file.location} is being collected: wait until it is, then run this again")
        ledger.unclaim(entry.file)


def tell(
    log: DecisionLog, earlier: PseudonymKeys | None, later: PseudonymKeys, operator: str, reason: str
) -> LoggedDecision | None:
    """Write a change of keys into the decision log, unless it is there; the keys' ids only."""
    if log.entries(ROTATE_KEY, later.key_id):
        return None
    details = {"previous": None if earlier is None else earlier.key_id, "keys": len(later.keys)}
    return log.append(LoggedDecision(ROTATE_KEY, later.key_id, operator, reason, details))
