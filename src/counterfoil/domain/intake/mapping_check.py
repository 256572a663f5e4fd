"""Say what a mapping makes of a file: what is wrong, what is covered and what the first rows become."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.intake.cleaning import Cleaned, reason_counts
from counterfoil.domain.intake.mapping_model import IDENTIFYING, SourceMapping
from counterfoil.domain.intake.parsing_amounts import OTHER_SIDE
from counterfoil.domain.intake.parsing_ids import has_whole_floats, looks_cut
from counterfoil.domain.intake.unit_warnings import span_of, unit_warnings
from counterfoil.domain.privacy.ibans import read_iban
from counterfoil.domain.schemas import FRAUD, GOOD

# An address, a number at the beginning or a long one anywhere, several lines, a sentence.
_LOOKS_LIKE_DATA = re.compile(r"@|^[\W_]*\d|\d{8}|(\d\W{0,3}){12}\d|[\x00-\x1f\x7f]|.{81}")
_IDS = ("transaction_id", *IDENTIFYING, "merchant")
_TOO_MANY_REJECTED = 0.05
_NO_CONTENT = ("label", "label_time", "source", "source_line")


@dataclass(frozen=True)
class RejectedReason:
    """Why rows were rejected: how many, and the first of them as an example."""

    reason: str
    count: int
    example_line: int
    message: str


@dataclass(frozen=True)
class MappingReport:
    """What a mapping makes of the rows that were tried.

    `sample`: the first transactions as texts by canonical column, identifiers as keyed hashes; `coverage`:
    share of accepted rows with a value, for each mapped column; `problems`: what must be put right;
    `suggestions`: what is worth a look; `facts`: the span of times, labels and repeated ids of accepted rows.
    """

    mapping: str
    rows: int
    accepted: int
    sample: tuple[dict[str, str], ...]
    coverage: dict[str, float]
    rejected: tuple[RejectedReason, ...]
    problems: tuple[str, ...]
    suggestions: tuple[str, ...]
    facts: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the mapping fits as it is."""
        return not self.problems


def check(
    mapping: SourceMapping,
    columns: Sequence[str],
    cleaned: Cleaned | None,
    rows: int = 5,
    warnings: Sequence[str] = (),
    raw: pa.Table | None = None,
) -> MappingReport:
    """Report on `cleaned`, made from a file with these columns; show the first `rows` transactions.

    `warnings` are suggestions from what is not kept, as those of `account_warnings`; `raw` are the rows as they
    were read. `cleaned` is None where a missing column made cleaning impossible.
    """
    accepted = cleaned.transactions if cleaned is not None else mapping.schema.empty_table()
    rejected = _rejected_reasons(cleaned.rejected) if cleaned is not None else ()
    tried = int(accepted.num_rows) + sum(reason.count for reason in rejected)
    coverage = _coverage(accepted, mapping)
    problems = [*column_problems(mapping, columns)]
    repeated, others = _repeated_ids(accepted) if mapping.fields.transaction_id else (0, 0)
    if others:
        problems.append(
            f"{repeated:,} of {accepted.num_rows:,} rows ({repeated / accepted.num_rows:.1%}) have the transaction id "
            f"of an earlier row, and {others:,} describe another payment: {mapping.fields.transaction_id!r} is no "
            "id of a payment; map a column that is, or leave fields.transaction_id out"
        )
    problems += [
        f"{item.count:,} of {tried:,} rows: {_example(item)}" for item in rejected if item.reason != OTHER_SIDE
    ]
    return MappingReport(
        mapping=mapping.name,
        rows=tried,
        accepted=int(accepted.num_rows),
        sample=tuple(_as_text(row) for row in accepted.slice(0, rows).to_pylist()),
        coverage=coverage,
        rejected=rejected,
        problems=tuple(problems),
        suggestions=(
            *(["the file has no payment to try the mapping on"] if cleaned is not None and not tried else []),
            *_suggestions(
                mapping, columns if cleaned is None or tried else (), coverage, tried, int(accepted.num_rows)
            ),
            *(f"{item.count:,} of {tried:,} rows: {item.message}" for item in rejected if item.reason == OTHER_SIDE),
            *unit_warnings(mapping, span_of(accepted, mapping)),
            *warnings,
            *_repetitions(repeated, others, int(accepted.num_rows)),
            *(() if raw is None else _cut_ids(mapping, raw)),
        ),
        facts=tuple(_facts(mapping, accepted, repeated)),
    )


def _facts(mapping: SourceMapping, accepted: pa.Table, repeated: int) -> Iterator[str]:
    rows = int(accepted.num_rows)
    if not rows:
        return
    span = pc.min_max(accepted["event_time"]).as_py()
    yield f"payments from {span['min']:%Y-%m-%d %H:%M} to {span['max']:%Y-%m-%d %H:%M} UTC"
    if mapping.fields.label is not None:
        frauds, good = (int(pc.sum(pc.equal(accepted["label"], label)).as_py() or 0) for label in (FRAUD, GOOD))
        yield f"labels: {frauds:,} fraud, {good:,} good, {rows - frauds - good:,} unknown"
    if mapping.fields.transaction_id is not None:
        yield f"repeated ids: {repeated:,} of {rows:,} rows ({repeated / rows:.1%})"


def account_warnings(numbers: Sequence[str | None]) -> Iterator[str]:
    """Yield what is odd about account numbers as they stand in the file, without quoting any."""
    ibans = [iban for number in numbers if number is not None and (iban := read_iban(number)) is not None]
    wrong = sum(not iban.sum_is_right and not iban.is_invalid for iban in ibans)
    if wrong:
        yield (
            f"{wrong:,} of {len(numbers):,} accounts have the form of an IBAN, and check digits that do not fit: they "
            "are kept as accounts of their own"
        )
    unknown = sorted({iban.text[:2] for iban in ibans if not iban.known_country})
    if unknown:
        yield f"accounts have the form of IBANs of countries that the registry here does not know: {', '.join(unknown)}"


def _cut_ids(mapping: SourceMapping, raw: pa.Table) -> Iterator[str]:
    for field, column in mapping.read_fields.items():
        if field in _IDS and has_whole_floats(raw[column].combine_chunks(), column):
            yield (
                f"column {column!r} ({field}) has whole numbers with '.0' behind them, as pandas writes them beside "
                "empty cells: 7.0 is kept as another one than 7; export the column as text or as whole numbers"
            )
        if field in _IDS and looks_cut(raw[column].combine_chunks(), column):
            yield (
                f"column {column!r} ({field}) looks cut: every number of more than 15 digits ends in zeros, as a "
                "spreadsheet leaves them, so several may have become one; export the file again, with text in it"
            )


def column_problems(mapping: SourceMapping, columns: Sequence[str]) -> Iterator[str]:
    """Yield each column that the mapping reads and the file has not exactly once.

    Where records name their own values, only columns that every row needs are missed.
    """
    counts = Counter(columns)
    for column in mapping.required_columns if mapping.file.names_each_value else mapping.source_columns:
        if counts[column] == 0:
            yield f"column {column!r} is not in the file (columns: {shown_columns(columns)})"
        elif counts[column] > 1:
            yield f"column {column!r} stands {counts[column]} times in the file's header: rename all but one"


def shown_columns(columns: Sequence[str]) -> str:
    """Return the names for a message, unless they look like a row of data: that may hold somebody's name."""
    if any(_LOOKS_LIKE_DATA.search(column) for column in columns):
        return f"{len(columns)}, not shown because the first line looks like data, not like a header"
    return ", ".join(columns)


def _rejected_reasons(rejected: pa.Table) -> tuple[RejectedReason, ...]:
    found = []
    for reason, count in reason_counts(rejected):
        first = rejected.filter(pc.equal(rejected["reason"], reason)).slice(0, 1).to_pylist()[0]
        found.append(RejectedReason(reason, count, first["source_line"], first["message"]))
    return tuple(found)


def _example(item: RejectedReason) -> str:
    return f"{item.reason} ({item.message}; first at line {item.example_line})"


def _coverage(accepted: pa.Table, mapping: SourceMapping) -> dict[str, float]:
    rows = int(accepted.num_rows)
    names = [name for name in accepted.column_names if name in _filled_columns(mapping)]
    return {name: (rows - accepted[name].null_count) / rows if rows else 0.0 for name in names}


def _filled_columns(mapping: SourceMapping) -> set[str]:
    """Return the canonical columns that something in the file fills."""
    mapped = set(mapping.read_fields)
    filled = {name if f"{name}_id" not in mapping.schema.names else f"{name}_id" for name in mapped}
    if "card_number" in mapped:
        filled |= {"card_bin", "card_last4"}
    return filled | {*mapping.numeric, *mapping.own_categorical, *mapping.own_textual}


def _repeated_ids(accepted: pa.Table) -> tuple[int, int]:
    """How many rows have the id of an earlier row, and how many of these describe another payment."""
    first: dict[str, dict[str, Any]] = {}
    repeated = others = 0
    ids = accepted["transaction_id"]
    counts = pc.value_counts(ids.combine_chunks())
    doubled = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    for row in accepted.filter(pc.is_in(ids, value_set=doubled)).to_pylist():
        content = {name: value for name, value in row.items() if name not in _NO_CONTENT}
        earlier = first.setdefault(row["transaction_id"], content)
        repeated += earlier is not content
        others += earlier is not content and earlier != content
    return repeated, others


def _repetitions(repeated: int, others: int, rows: int) -> Iterator[str]:
    if repeated and not others:
        yield f"{repeated:,} of {rows:,} rows ({repeated / rows:.1%}) repeat an earlier payment: one of each is kept"


def _as_text(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items() if value is not None}


def _suggestions(
    mapping: SourceMapping, columns: Sequence[str], coverage: dict[str, float], tried: int, accepted: int
) -> Iterator[str]:
    if not any(_LOOKS_LIKE_DATA.search(column) for column in columns):
        known = {*mapping.source_columns, mapping.fields.currency}
        yield from (f"column {column!r} is not used" for column in columns if column.strip() not in known)
    if accepted:
        yield from (f"{name} is empty in every row" for name, share in coverage.items() if share == 0.0)
    if tried and (tried - accepted) / tried > _TOO_MANY_REJECTED:
        share = (tried - accepted) / tried
        yield f"{share:.0%} of the rows are rejected: look at the reasons before collecting"
    if mapping.fields.account is None:
        yield "no account is mapped: there will be no evidence from an account's own history"
    if mapping.fields.label is None:
        yield "no label is mapped: the file can be scored, but nothing can be trained on it"
