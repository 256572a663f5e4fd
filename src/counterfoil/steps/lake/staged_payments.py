"""A run of payments on its way into the lake: an id stands there once, whoever collects it.

A file's ids are compared with the published ones when it is collected. Until it is published itself, others may
publish the same ids: whoever comes later loses these rows, with the reason, at the moment of publication.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.schemas import REJECTED
from counterfoil.domain.tables import ADDRESSES, REJECTED_ROWS, TRANSACTIONS
from counterfoil.errors import ChangedError
from counterfoil.ports.lake import TableStore, Version
from counterfoil.steps.lake.changes import changed, unchanged
from counterfoil.steps.lake.engine import engine, parquet_source
from counterfoil.steps.lake.rewriting import rewrite

COLLECTED_TABLES = (REJECTED_ROWS, ADDRESSES, TRANSACTIONS)
"""What a collected file is published as, in this order."""

DUPLICATE = "duplicate_id"
"""The reason code of rows of a payment that was collected before."""
DUPLICATE_OF_OTHER_CONTENT = "duplicate_id_other_content"
"""That of rows with the id of a payment that was collected before, which tell something else: the id may be none."""
IN_ANOTHER_FILE = "the transaction id was collected before, from another file"

_LOST = pa.schema([("transaction_id", pa.string()), ("source", pa.string()), ("source_line", pa.int64())])


class StagedPayments:
    """The staged folders of one run (by table: transactions, rejected, addresses), and what was seen of others.

    `seen` is the version of `transactions` that the ids were compared with; the runs `own` are this one and those whose
    place it takes, `instead_of`. `leans_on_others`: rows were refused because others have their ids.
    """

    def __init__(
        self,
        tables: TableStore,
        run: str,
        folders: Mapping[str, Path],
        seen: Version,
        *,
        own: Collection[str] = (),
        instead_of: Collection[str] = (),
        leans_on_others: bool = False,
    ) -> None:
        self._tables, self._run, self._folders, self._seen = tables, run, dict(folders), seen
        self._own = {run, *own, *instead_of}
        self._instead_of = instead_of
        self._leans = leans_on_others
        self._published: set[str] = set()
        self.lost = _LOST.empty_table()

    def settle(self) -> None:
        """Compare with what others have published since, and lose the rows whose ids they have.

        Raises ChangedError if a run that rows were refused for is gone or has been replaced: those rows may count now.
        """
        now = self._tables.version(TRANSACTIONS)
        theirs = {run for run in now.keys() | self._seen.keys() if now.get(run) != self._seen.get(run)} - self._own
        if self._leans and theirs & self._seen.keys():
            raise changed(TRANSACTIONS)
        files = [path for run in sorted(theirs & now.keys()) for path in self._tables.files(TRANSACTIONS, run)]
        lost = _repeated(_files(self._folders[TRANSACTIONS]), files)
        if lost.num_rows:
            self._lose(lost)
            self._leans = True
        self._seen = now

    def publish(self, table: str) -> None:
        """Publish one of the three tables; payments that others published meanwhile are lost before.

        Raises ChangedError as `settle` does.
        """
        while table == TRANSACTIONS:
            check = unchanged(TRANSACTIONS, self._seen)
            try:
                self._tables.publish(TRANSACTIONS, self._run, instead_of=self._instead_of, check=check)
                return
            except ChangedError:
                self.settle()
                for other in {REJECTED_ROWS, ADDRESSES} - self._published:
                    self.publish(other)
        self._tables.publish(table, self._run, instead_of=self._instead_of)
        self._published.add(table)

    def _lose(self, lost: pa.Table) -> None:
        ids = lost["transaction_id"].combine_chunks()
        drop_payments(self._folders[TRANSACTIONS], ids)
        _append(as_rejections(lost), self._again(REJECTED_ROWS))
        _keep_used(self._again(ADDRESSES), _files(self._folders[TRANSACTIONS]))
        self.lost = pa.concat_tables([self.lost, lost])

    def _again(self, table: str) -> Path:
        """Return the table's folder for changes; what was published from it is staged once more."""
        if table in self._published:
            published = self._tables.files(table, self._run)
            self._folders[table] = self._tables.stage(table, self._run)
            for path in published:
                shutil.copyfile(path, self._folders[table] / path.name)
            self._published.discard(table)
        return self._folders[table]


def as_rejections(rows: pa.Table) -> pa.Table:
    """Return rows (source, source_line) as rejected ones (schemas.REJECTED): another file has their ids."""
    texts = [pa.repeat(pa.scalar(text), rows.num_rows) for text in (DUPLICATE, IN_ANOTHER_FILE)]
    return pa.Table.from_arrays([rows["source"], rows["source_line"], *texts], schema=REJECTED)


def drop_payments(folder: Path, ids: pa.Array) -> None:
    """Rewrite the Parquet files below a folder without the payments of these ids; a file without rows goes."""
    for path in _files(folder):
        rows = pq.read_table(path, columns=["transaction_id"], partitioning=None)
        if not pc.any(pc.is_in(rows["transaction_id"], value_set=ids)).as_py():
            continue
        aside = path.with_name(f"{path.name}.new")
        rewrite(path, aside, lambda group: group.filter(pc.invert(pc.is_in(group["transaction_id"], value_set=ids))))
        path.unlink()
        if aside.exists():
            aside.rename(path)
        elif path.parent != folder:
            path.parent.rmdir()


def _repeated(files: Sequence[Path], published: Sequence[Path]) -> pa.Table:
    """Return the payments of `files` whose ids are published."""
    if not files or not published:
        return _LOST.empty_table()
    with engine() as database:
        query = (
            f"SELECT transaction_id, source, source_line FROM {parquet_source(files)} SEMI JOIN "
            f"(SELECT transaction_id FROM {parquet_source(published)}) USING (transaction_id) ORDER BY source_line"
        )
        return database.sql(query).to_arrow_table().cast(_LOST)


def _append(rows: pa.Table, folder: Path) -> None:
    """Add a part with rejected rows."""
    pq.write_table(rows, folder / f"part-{len(_files(folder))}.parquet", compression="zstd")


def _keep_used(folder: Path, payments: Sequence[Path]) -> None:
    """Leave only the addresses that a payment still has."""
    columns = [pq.read_table(path, columns=["source_ip_id"], partitioning=None).column(0) for path in payments]
    used = pa.chunked_array(columns, pa.string()).unique()
    for path in _files(folder):
        aside = path.with_name(f"{path.name}.new")
        rewrite(path, aside, lambda group: group.filter(pc.is_in(group["source_ip_id"], value_set=used)))
        path.unlink()
        if aside.exists():
            aside.rename(path)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))
