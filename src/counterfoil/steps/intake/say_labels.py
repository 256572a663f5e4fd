"""Read files of labels of payments that were collected before: chargebacks, disputes, an export that has labels now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil.domain.intake.cleaning import clean_labels, reason_counts
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import printable
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.domain.schemas import REJECTED
from counterfoil.domain.tables import LABELS_TABLE, REJECTED_ROWS
from counterfoil.ports.lake import InputReader, TableStore
from counterfoil.steps.lake.keys import require_key
from counterfoil.steps.lake.labels import NOTHING_SAID, Appended, append_labels
from counterfoil.steps.lake.runs import run_ending


@dataclass(frozen=True)
class LabelledFile:
    """What became of a file of labels. `rejected` counts rows by reason, `unlabelled` those whose label is unknown."""

    source: str
    rows_in: int = 0
    unlabelled: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    said: Appended = NOTHING_SAID


def say_labels(
    paths: Sequence[Path],
    mapping: SourceMapping,
    *,
    key: PseudonymKeys,
    reader: InputReader,
    tables: TableStore,
    said_by: str | None = None,
    now: datetime | None = None,
) -> list[LabelledFile]:
    """Append the labels of files to the table `labels`, said by `said_by` (or the mapping) `now` (at this moment).

    Only the mapping's id, label and label time are read. A file that was read before, by its content and place, is
    not read again. Raises MappingError if a file does not fit, InputFileError if it cannot be read, UsageError for
    another key than the lake's.
    """
    require_key(tables, key)
    moment, whose = now or datetime.now(UTC), said_by or mapping.name
    return [_say(path, mapping.of_labels, key, reader, tables, whose, moment) for path in paths]


def _say(
    path: Path, mapping: SourceMapping, key: PseudonymKeys, reader: InputReader, tables: TableStore,
    said_by: str, said_at: datetime,
) -> LabelledFile:  # fmt: skip
    run = f"said-{mapping.name}{run_ending(reader.fingerprint(path))}"
    if run in tables.runs(LABELS_TABLE):
        return LabelledFile(printable(path.name), said=Appended(already=True))
    labels, rejected, unlabelled = [], [REJECTED.empty_table()], 0
    for batch in reader.batches(path, mapping):
        found, refused, unknown = clean_labels(batch.table, mapping, key=key, source=batch.source, lines=batch.lines)
        labels.append(found)
        rejected += [batch.rejected, refused]
        unlabelled += unknown
    bad = pa.concat_tables(rejected)
    _keep_rejected(tables, run, bad)
    said = NOTHING_SAID
    if labels:
        said = append_labels(tables, pa.concat_tables(labels), said_by=said_by, said_at=said_at, run=run)
    reasons = Counter(dict(reason_counts(bad)))
    rows_in = said.rows + unlabelled + bad.num_rows
    return LabelledFile(printable(path.name), rows_in, unlabelled, dict(reasons), said)


def _keep_rejected(tables: TableStore, run: str, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    staged = tables.stage(REJECTED_ROWS, run)
    pq.write_table(rows, staged / "part-0.parquet", compression="zstd")
    tables.publish(REJECTED_ROWS, run)
