"""The evidence of payments that come one by one, from their entities' histories."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.arrays import Doubles, Integers, mask_of
from counterfoil.domain.features import fold
from counterfoil.domain.features.columns import CYCLES
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.release.release import Release, scored_schema
from counterfoil.steps.scoring.profiles import Row, as_transactions, seen_by_windows
from counterfoil.steps.scoring.score import as_scored


def evidence_of(
    transactions: pa.Table,
    specs: Sequence[FeatureSpec],
    wanted: Sequence[str],
    *,
    label_delay: timedelta,
    own_columns: Sequence[str] = (),
    by_currency: bool = False,
) -> pa.Table:
    """The evidence of the transactions `wanted` (ids), in that order, as it would be within the whole lake.

    `transactions` are those payments and all that their windows can see: the batch's own fold runs over them.
    """
    chosen = pc.is_in(transactions["transaction_id"], value_set=pa.array(wanted, pa.string()))
    rows = fold.evidence_of(
        transactions, specs, label_delay=label_delay, own_columns=own_columns, by_currency=by_currency,
        rows=mask_of(chosen),
    )  # fmt: skip
    place = {name: number for number, name in enumerate(rows["transaction_id"].to_pylist())}
    return rows.take(pa.array([place[name] for name in wanted], pa.int64()))


def evidence_folded(
    rows: Mapping[str, Row], wanted: Sequence[Row], release: Release, mapping: SourceMapping
) -> pa.Table:
    """The evidence of the payments `wanted`, in that order, as the release reads it, by the batch's own fold.

    `rows` are what their entities did, by transaction; they may have the wanted ones, which count once.
    """
    delay = timedelta(days=release.label_delay_days)
    union = {**rows, **{row["transaction_id"]: row for row in wanted}}
    first = min(row["event_time"] for row in wanted)
    evidence = evidence_of(
        as_transactions(seen_by_windows(list(union.values()), first, release.specs, delay), mapping.schema),
        release.specs,
        [row["transaction_id"] for row in wanted],
        label_delay=delay,
        own_columns=(*mapping.numeric, *mapping.own_categorical, *mapping.own_textual),
        by_currency=mapping.currency_meaningful,
    )
    return as_scored(evidence, release)


def evidence_of_features(
    rows: Sequence[Mapping[str, Any]], ticks: Integers, features: Doubles, release: Release
) -> pa.Table | None:
    """The evidence of canonical payments whose features are known, (rows, features), as the release reads it.

    `ticks` are their times in microseconds. None where a value is not of the type that the release reads: whoever
    casts the table itself says what is wrong.
    """
    # One array cut into columns: each array that pyarrow makes of its own takes as long as a row's feature does.
    whole = pa.array(features.T.ravel(), from_pandas=True)
    rated = {spec.name: whole.slice(place * len(rows), len(rows)) for place, spec in enumerate(release.specs)}
    circles = dict(zip(CYCLES, fold.cycles(ticks), strict=True))
    schema, columns = scored_schema(release), []
    try:
        for field in schema:
            if field.name in rated:
                columns.append(rated[field.name])
            elif field.name in circles:
                columns.append(pa.array(circles[field.name]))
            elif pa.types.is_float64(field.type):
                columns.append(pa.array([_number(row.get(field.name)) for row in rows], field.type))
            else:
                columns.append(pa.array([row.get(field.name) for row in rows], field.type))
    except (TypeError, pa.ArrowException):
        return None
    return pa.Table.from_arrays(columns, schema=schema)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
