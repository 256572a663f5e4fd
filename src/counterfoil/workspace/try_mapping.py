"""Try a mapping on the first rows of a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping_check import MappingReport, account_warnings, check, column_problems
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.parsing import text_of
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.domain.schemas import REJECTED
from counterfoil.workspace.settings import load_settings

_TRIAL_KEY = b"only for showing hashes in a trial"
"""The hashes of a trial are shown and forgotten: they need not agree with those of any workspace."""


def try_mapping(mapping_name: str, path: Path, rows: int, show: int) -> MappingReport:
    """Clean the first `rows` rows and report; with columns missing, report these alone."""
    mapping, reader = load_mapping(mapping_name), InputFiles(load_settings().unpack_limits)
    columns = reader.columns(path, mapping)
    if any(column_problems(mapping, columns)):
        report, hint = check(mapping, columns, None, show), reader.header_hint(path, mapping)
        return report if hint is None else replace(report, problems=(*report.problems, hint))
    tried = list(_first(reader.batches(path, mapping), rows))
    parts = [part for batch in tried for part in _cleaned(mapping, batch)]
    cleaned = Cleaned(
        pa.concat_tables([part.transactions for part in parts] or [mapping.schema.empty_table()]),
        pa.concat_tables([part.rejected for part in parts] or [REJECTED.empty_table()]),
    )
    raw = pa.concat_tables([batch.table for batch in tried]) if tried else None
    numbers = [] if raw is None else list(_account_numbers(mapping, raw))
    return check(mapping, columns, cleaned, show, tuple(account_warnings(numbers)), raw)


def _account_numbers(mapping: SourceMapping, raw: pa.Table) -> Iterator[str | None]:
    for *_, column in mapping.account_columns.values():
        yield from text_of(raw[column].combine_chunks(), column).to_pylist()


def _first(batches: Iterator[RawBatch], rows: int) -> Iterator[RawBatch]:
    """The first `rows` rows, and the records between them that were none."""
    for batch in batches:
        yield batch.first(rows)
        rows -= batch.table.num_rows
        if rows <= 0:
            return


def _cleaned(mapping: SourceMapping, batch: RawBatch) -> Iterator[Cleaned]:
    yield clean(
        batch.table, mapping, key=_TRIAL_KEY, source=batch.source, first_line=batch.lines, content_hash="trial",
        numbers=batch.numbers,
    )  # fmt: skip
    yield Cleaned(mapping.schema.empty_table(), batch.rejected)
