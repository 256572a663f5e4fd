"""Try a mapping on the first rows of a file."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.domain.intake.cleaning import Cleaned, clean
from counterfoil.domain.intake.mapping_check import MappingReport, account_warnings, check, column_problems
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.parsing import text_of
from counterfoil.domain.schemas import REJECTED
from counterfoil.workspace.settings import load_settings

_TRIAL_KEY = b"only for showing hashes in a trial"
"""The hashes of a trial are shown and forgotten: they need not agree with those of any workspace."""


def try_mapping(mapping_name: str, path: Path, rows: int, show: int) -> MappingReport:
    """Clean the first `rows` rows and report; with columns missing, report these alone."""
    mapping, reader = load_mapping(mapping_name), InputFiles(load_settings().unpack_limits)
    columns = reader.columns(path, mapping)
    if any(column_problems(mapping, columns)):
        return check(mapping, columns, None, show)
    numbers: list[str | None] = []
    parts = list(_cleaned(mapping, reader, path, rows, numbers))
    cleaned = Cleaned(
        pa.concat_tables([part.transactions for part in parts] or [mapping.schema.empty_table()]),
        pa.concat_tables([part.rejected for part in parts] or [REJECTED.empty_table()]),
    )
    return check(mapping, columns, cleaned, show, tuple(account_warnings(numbers)))


def _cleaned(
    mapping: SourceMapping, reader: InputFiles, path: Path, rows: int, numbers: list[str | None]
) -> Iterator[Cleaned]:
    """Clean the first rows, and put the account numbers in them into `numbers`."""
    for batch in reader.batches(path, mapping):
        taken = batch.table.slice(0, rows)
        for *_, column in mapping.account_columns.values():
            numbers += text_of(taken[column].combine_chunks(), column).to_pylist()
        yield clean(
            taken, mapping, key=_TRIAL_KEY, source=batch.source,
            first_line=batch.lines.slice(0, rows), content_hash="trial",
        )  # fmt: skip
        yield Cleaned(mapping.schema.empty_table(), batch.rejected)
        rows -= taken.num_rows
        if rows <= 0:
            return
