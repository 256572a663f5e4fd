"""Score payments: encode evidence, compare it with a release's references, write signals with precedents."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.periods import Period
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.release.release import (
    Release,
    missing_evidence,
    scored_columns,
    scored_schema,
)
from counterfoil.domain.schemas import SCORES
from counterfoil.domain.tables import SCORE_TABLE, SCORED_EVIDENCE
from counterfoil.errors import ChangedError, MissingEvidenceError, ReleaseMismatchError
from counterfoil.ports.lake import TableStore, Version
from counterfoil.progress import Progress
from counterfoil.steps.lake.engine import engine, one_row
from counterfoil.steps.lake.evidence import evidence_files
from counterfoil.steps.lake.labels import labelled_evidence_files
from counterfoil.steps.scoring.apply_policy import decided_in_batch, payments_of_lake
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.scorer import Detector


def detect(
    tables: TableStore,
    detector: Detector,
    *,
    period: Period = Period(),
    compute: Compute = Compute(),
    progress: Progress = Progress(),
    run: str | None = None,
    part: str = "part-0",
    policy: Policy | None = None,
) -> str:
    """Score the payments of a period; return the run, one per release, policy and period if none is given.

    Writes the file `part` of two tables: `scored_evidence`, the rows as they were scored, and `scores`, which is
    published last. Of several machines that share a run each names a part of its own. No payment at all gives
    tables without rows. Raises NotFoundError without evidence, MissingEvidenceError naming all that is missing,
    ChangedError if another process scored the same run meanwhile, whose result stays.
    """
    release = detector.release
    run = run or run_name(release.release_id, _span(period), policy)
    decided_at = datetime.now(UTC)
    alone = _Alone(tables, run)
    batches = evidence_batches(tables, [release], period, compute.batch_rows)
    staged = {table: tables.stage(table, run) / f"{part}.parquet" for table in (SCORED_EVIDENCE, SCORE_TABLE)}
    done = 0
    with (
        _writer(staged[SCORED_EVIDENCE], scored_schema(release)) as evidence,
        _writer(staged[SCORE_TABLE], SCORES) as scores,
    ):
        for batch, total in batches:
            rows = as_scored(batch, release)
            evidence.write_table(rows)
            found = detector.score(rows)
            if policy is not None:
                payments = payments_of_lake(policy, tables, found)
                found = decided_in_batch(policy, found, rows, payments, decided_at)
            scores.write_table(found)
            done += rows.num_rows
            progress.count(done, total)
    # In this order: whoever sees a score can replay it.
    tables.publish(SCORED_EVIDENCE, run, check=alone.check)
    alone.saw_own(SCORED_EVIDENCE)
    tables.publish(SCORE_TABLE, run, check=alone.check)
    return run


class _Alone:
    """Whether nobody else has published a run since it was begun: evidence and scores must be of one process."""

    def __init__(self, tables: TableStore, run: str) -> None:
        self._tables, self._run = tables, run
        self._seen = {table: self._now(table) for table in (SCORED_EVIDENCE, SCORE_TABLE)}

    def _now(self, table: str) -> str | None:
        return self._tables.version(table).get(self._run)

    def saw_own(self, table: str) -> None:
        """Expect what is published now, which is this process's own."""
        self._seen[table] = self._now(table)

    def check(self, _: Version) -> None:
        """Raise ChangedError unless both tables have of the run what they are expected to have."""
        if any(self._now(table) != seen for table, seen in self._seen.items()):
            raise ChangedError(
                f"another process scored run {self._run} meanwhile, and its result stays: run this again to replace it"
            )


def run_name(release_id: str, payments: str, policy: Policy | None) -> str:
    """The run of some payments' scores: one per release and policy."""
    return f"{release_id}-{payments}" + (f"-{policy.version}" if policy is not None else "")


def _span(period: Period) -> str:
    return f"{period.since or 'begin'}-{period.until or 'end'}".replace(":", "").replace(" ", "T").replace("+", "_")


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def evidence_batches(
    tables: TableStore, releases: Sequence[Release], period: Period, rows: int, *, labelled: bool = False
) -> Iterator[tuple[pa.Table, int]]:
    """Evidence of the period that the releases need, in the order of time, with the number of rows in all.

    With `labelled`, only payments that have a label, and the column `label`. Raises NotFoundError or
    MissingEvidenceError at once, not at the first batch.
    """
    files = evidence_files(tables)
    for release in releases:
        _require_evidence(release, files)
    names = dict.fromkeys(name for release in releases for name in scored_columns(release))
    columns = ", ".join(f'"{name}"' for name in (*names, *(["label"] if labelled else [])))
    condition = "label IS NOT NULL" if labelled else "true"
    delay = timedelta(days=max((release.label_delay_days for release in releases), default=0))
    source = labelled_evidence_files(tables, files, delay) if labelled else f"read_parquet({files!r})"
    return _read(columns, f"{source} WHERE {period.condition()} AND {condition}", rows)


def _read(columns: str, source: str, rows: int) -> Iterator[tuple[pa.Table, int]]:
    with engine() as database:
        total = int(one_row(database, f"SELECT count(*) FROM {source}")[0])
        # The files are in the order of time already; insertion order is kept, nothing is sorted again.
        for batch in database.sql(f"SELECT {columns} FROM {source}").to_arrow_reader(rows):
            yield pa.Table.from_batches([batch]), total


def as_scored(evidence: pa.Table, release: Release) -> pa.Table:
    """Evidence as the release reads it, following `scored_schema`. Raises ReleaseMismatchError for other types."""
    schema = scored_schema(release)
    selected = evidence.select(schema.names)
    try:
        return selected.cast(schema)
    except pa.ArrowInvalid:
        # Arrow's message would quote a payment's values.
        wrong = [
            f.name for f in schema if f.type == pa.float64() and pa.types.is_string(selected.schema.field(f.name).type)
        ]
        raise ReleaseMismatchError(
            f"release {release.release_id} (mapping {release.mapping}) reads {', '.join(wrong)} as a number, "
            "here it is text: score with a mapping that declares it as the release's does"
        ) from None


def _require_evidence(release: Release, files: Sequence[str]) -> None:
    """Raise MissingEvidenceError, with the names of all that is missing, unless each file has what is needed."""
    missing = dict.fromkeys(name for file in files for name in missing_evidence(release, pq.read_schema(file).names))
    if missing:
        raise MissingEvidenceError(
            f"release {release.release_id} (mapping {release.mapping}) needs evidence that is not there: "
            f"{', '.join(missing)}; build features with a mapping that declares it, or train a release without"
        )
