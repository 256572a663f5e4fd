"""Collect input files: clean every row, keep what is good, and say why of the rest.

Each file is one run of the tables `transactions`, `rejected` and `addresses`. A killed run leaves nothing
visible; a rerun completes it; a file that is done is skipped.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.domain.intake.cleaning import clean, reason_counts
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import BYTES_UNREADABLE, printable
from counterfoil.domain.intake.unit_warnings import Span, span_of, unit_warnings
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys, as_keys
from counterfoil.domain.schemas import REJECTED
from counterfoil.domain.tables import ADDRESSES, REJECTED_ROWS, TRANSACTIONS
from counterfoil.errors import CounterfoilError, InputFileError, MappingError, StoreUnavailableError
from counterfoil.ports.lake import FileLedger, InputReader, SourceFile, TableStore
from counterfoil.progress import Progress
from counterfoil.steps.intake.spool import Spool
from counterfoil.steps.lake.ahead import ahead
from counterfoil.steps.lake.changes import until_unchanged
from counterfoil.steps.lake.engine import failures_told
from counterfoil.steps.lake.forgotten import forgotten_accounts
from counterfoil.steps.lake.keys import ACCOUNT_FORM, FORM, HASHED, KEY_ID, require_form, require_key
from counterfoil.steps.lake.labels import NOTHING_SAID, Appended, append_labels
from counterfoil.steps.lake.runs import place_of, run_ending, run_name
from counterfoil.steps.lake.staged_payments import (
    COLLECTED_TABLES,
    DUPLICATE,
    DUPLICATE_OF_OTHER_CONTENT,
    IN_ANOTHER_FILE,
    StagedPayments,
)

_RUN_KEY = b"counterfoil.run"


@dataclass(frozen=True)
class CollectedFile:
    """What became of one file. `rejected` counts rows by reason; a skipped or failed file has no counts.

    It was skipped because it was collected before or, if it is `held`, because another process is collecting it.
    `members`: of an archive, each file in it and the number of its records. `labels`: what rows of payments that were
    collected before said anew of their labels. `failed` is why nothing of it was kept. `warnings`: what looks as if
    the whole file was read in a wrong unit or encoding.
    """

    source: str
    rows_in: int = 0
    rows_out: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    skipped: bool = False
    held: bool = False
    members: Mapping[str, int] = field(default_factory=dict)
    labels: Appended = NOTHING_SAID
    failed: str = ""
    warnings: tuple[str, ...] = ()


class Again(Enum):
    """Whether a file is collected that is done, and which of its earlier runs its rows then take the place of."""

    NO = "no"
    SAME_CONTENT = "same content"
    """The runs of this content at this place, by whatever mapping."""
    ANY_CONTENT = "any content"
    """Also the runs of what the file held before it was corrected."""


def collect(
    paths: Sequence[Path],
    mapping: SourceMapping,
    *,
    key: bytes | PseudonymKeys,
    reader: InputReader,
    tables: TableStore,
    ledger: FileLedger,
    progress: Progress = Progress(),
    again: Again = Again.NO,
    now: datetime | None = None,
    keep_going: bool = False,
) -> list[CollectedFile]:
    """Collect files one after another, skipping those that another process has and, but for `again`, that are done.

    A label of a payment that was collected before is said `now` (by default, at this moment) and kept.
    `key` (16 bytes or more) makes the pseudonyms. Raises MappingError if a file does not fit the mapping and
    InputFileError if it cannot be read; that file is marked as failed, those before it stay collected. With
    `keep_going` such a file is a result like the others, and those after it are collected. Raises UsageError if
    what was collected before has pseudonyms of another key, or of another form of accounts.
    """
    if not mapping.fields.event_time:
        raise MappingError(f"mapping {mapping.name!r} is of labels alone: use it with 'counterfoil labels'")
    require_key(tables, as_keys(key))
    require_form(tables)
    forgotten = forgotten_accounts(tables)
    job = _Job(
        mapping,
        as_keys(key),
        reader,
        tables,
        progress,
        again,
        forgotten,
        now or datetime.now(UTC),
    )
    attempt = _collect_if_it_can_be if keep_going else _collect_claimed
    return [attempt(path, job, ledger) for path in paths]


@dataclass(frozen=True)
class _Job:
    """What is the same for all files."""

    mapping: SourceMapping
    key: PseudonymKeys
    reader: InputReader
    tables: TableStore
    progress: Progress
    again: Again
    forgotten: frozenset[str]
    now: datetime


def _collect_if_it_can_be(path: Path, job: _Job, ledger: FileLedger) -> CollectedFile:
    try:
        return _collect_claimed(path, job, ledger)
    except (InputFileError, MappingError) as error:
        return CollectedFile(printable(path.name), failed=str(error))


def _collect_claimed(path: Path, job: _Job, ledger: FileLedger) -> CollectedFile:
    file = job.reader.fingerprint(path)
    if not ledger.claim(file, job.mapping.name, again=job.again is not Again.NO):
        known = ledger.entry(file)
        done = known is not None and known.state == "done" and job.again is Again.NO
        return CollectedFile(printable(path.name), skipped=True, held=not done)
    try:
        # Again where a run was replaced meanwhile that rows were refused for.
        collected = until_unchanged(lambda: _collect_file(path, file, job))
        if job.again is Again.ANY_CONTENT:
            _release_earlier(ledger, file)
        ledger.complete(
            file,
            rows_in=collected.rows_in,
            rows_out=collected.rows_out,
            rows_rejected=sum(collected.rejected.values()),
        )
    except BaseException as error:
        with suppress(StoreUnavailableError):  # a ledger that is gone: why this failed is told, and the claim is free
            ledger.fail(file, _reason(error))
        raise
    return collected


def _release_earlier(ledger: FileLedger, file: SourceFile) -> None:
    """What the file held before is no longer collected: let the ledger say so."""
    for entry in ledger.entries():
        earlier = entry.file.location == file.location and entry.file != file
        if earlier and entry.state == "done" and ledger.claim(entry.file, entry.mapping, again=True):
            ledger.unclaim(entry.file)


def _reason(error: BaseException) -> str:
    # Only our own messages are known to hold no personal data.
    return str(error) if isinstance(error, CounterfoilError) else type(error).__name__


def _collect_file(path: Path, file: SourceFile, job: _Job) -> CollectedFile:
    run = run_name(job.mapping, file)
    earlier = _earlier_runs(job, file) - {run}
    staged = job.tables.stage(TRANSACTIONS, run)
    refused = _Rejected(job.tables.stage(REJECTED_ROWS, run))
    restricted = job.tables.stage(ADDRESSES, run)
    marks = {_RUN_KEY: run.encode(), KEY_ID: job.key.key_id.encode(), ACCOUNT_FORM: FORM}
    if job.mapping.privacy.hashed:
        marks[HASHED] = ",".join(job.mapping.privacy.hashed).encode()
    schema = job.mapping.schema.with_metadata(marks)
    with failures_told(), refused, Spool(restricted / "_spool", schema) as spool:
        members, span = _clean_all(path, file, job, spool, refused)
        seen = job.tables.version(TRANSACTIONS)
        duplicates = spool.find_duplicates(_files_of_others(job.tables, {run, *earlier}))
        refused.add(_as_rejections(duplicates.rows))
        spool.write_addresses(restricted)
        spool.write_by_date(staged)
    payments = StagedPayments(
        job.tables, run, {REJECTED_ROWS: refused.folder, ADDRESSES: restricted, TRANSACTIONS: staged}, seen,
        instead_of=earlier, leans_on_others=bool(pc.any(pc.equal(duplicates.rows["earlier"], "table")).as_py()),
    )  # fmt: skip
    payments.settle()
    for table in COLLECTED_TABLES:
        payments.publish(table)
    refused.counts[DUPLICATE] += payments.lost.num_rows
    said = _say_labels(job, run, duplicates.labels)
    rows_in = members.total()
    in_archive = {name: count for name, count in members.items() if name is not None}
    return CollectedFile(
        printable(path.name), rows_in, rows_in - refused.rows, dict(+refused.counts), members=in_archive, labels=said,
        warnings=(*unit_warnings(job.mapping, span), *refused.warnings),
    )  # fmt: skip


def _clean_all(
    path: Path, file: SourceFile, job: _Job, spool: Spool, refused: "_Rejected"
) -> tuple[Counter[str | None], Span]:
    """Clean batch by batch into the spool; return the records of the file, or of each member, and what they cover."""
    rows_in: Counter[str | None] = Counter()
    span = Span()
    with closing(ahead(job.reader.batches(path, job.mapping))) as batches:
        for batch in batches:
            cleaned = clean(
                batch.table,
                job.mapping,
                key=job.key,
                source=batch.source,
                first_line=batch.lines,
                numbers=batch.numbers,
                # Each member begins at line 1 anew, and ids are derived from content and number.
                content_hash=file.content_hash if batch.member is None else f"{file.content_hash}/{batch.member}",
                forgotten=job.forgotten,
            )
            spool.add(cleaned.transactions, cleaned.addresses)
            span = span_of(cleaned.transactions, job.mapping, span)
            refused.add(batch.rejected)
            refused.add(cleaned.rejected)
            rows_in[batch.member] += batch.records
            job.progress.count(rows_in.total(), 0)
    return rows_in, span


def _say_labels(job: _Job, run: str, labels: pa.Table) -> Appended:
    """Keep the labels of payments that were collected before: rows of theirs came again, now with a label.

    After the publication, since a label may be of a payment of this very file.
    """
    if not labels.num_rows:
        return NOTHING_SAID
    return append_labels(job.tables, labels, said_by=job.mapping.name, said_at=job.now, run=run)


def _earlier_runs(job: _Job, file: SourceFile) -> set[str]:
    """The runs that this file's rows take the place of; in all tables, since a kill may have left some of them."""
    if job.again is Again.NO:
        return set()
    ends = run_ending(file) if job.again is Again.SAME_CONTENT else f"-{place_of(file.location)}"
    tables = (REJECTED_ROWS, ADDRESSES, TRANSACTIONS)
    return {run for table in tables for run in job.tables.runs(table) if run.endswith(ends)}


def _files_of_others(tables: TableStore, own: Collection[str]) -> list[Path]:
    """Return the published files whose ids count as taken: all but those of the runs `own`, which are replaced."""
    files = tables.files(TRANSACTIONS)
    if not set(own).intersection(tables.runs(TRANSACTIONS)):
        return files
    names = {run.encode() for run in own}
    return [path for path in files if (pq.read_metadata(path).metadata or {}).get(_RUN_KEY) not in names]


def _as_rejections(duplicates: pa.Table) -> pa.Table:
    in_file = pc.equal(duplicates["earlier"], "file")
    first = "the transaction id stands on an earlier line of this file"
    differs = pc.is_valid(duplicates["differs"])
    what = pc.binary_join_element_wise(", with another ", pc.fill_null(duplicates["differs"], ""), "")
    messages = pc.binary_join_element_wise(
        pc.if_else(in_file, first, IN_ANOTHER_FILE), pc.if_else(differs, what, ""), ""
    )
    reasons = pc.if_else(differs, DUPLICATE_OF_OTHER_CONTENT, DUPLICATE)
    columns = [duplicates["source"], duplicates["source_line"], reasons, messages]
    return pa.Table.from_arrays(columns, schema=REJECTED)


class _Rejected:
    """The rejected rows of one file: written as they come, counted by reason. No file if there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "part-0.parquet"
        self._file: pq.ParquetWriter | None = None
        self.counts: Counter[str] = Counter()
        self.warnings: list[str] = []

    @property
    def rows(self) -> int:
        return self.counts.total()

    def __enter__(self) -> "_Rejected":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, REJECTED, compression="zstd")
        self._file.write_table(rows)
        found = dict(reason_counts(rows))
        if BYTES_UNREADABLE in found and BYTES_UNREADABLE not in self.counts:
            first = rows.slice(pc.index(rows["reason"], BYTES_UNREADABLE).as_py(), 1).to_pylist()[0]
            self.warnings.append(f"line {first['source_line']:,}: {first['message']}")
        self.counts.update(found)
