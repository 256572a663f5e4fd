"""The table of scores: each with its precedents, and the release it can be replayed from."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.policy.decide import decide
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.schemas import PRECEDENT, REASON, SCORES, TIMESTAMP
from counterfoil.domain.scoring.compare import NOTHING, Comparison, Side
from counterfoil.domain.scoring.reasoner import Reasons
from counterfoil.domain.scoring.signal import Calibration, margin


def score_table(
    evidence: pa.Table,
    comparison: Comparison,
    distance: Doubles,
    references: pa.Table,
    calibration: Calibration,
    thresholds: Thresholds,
    release_id: str,
    overlay_seq: int = 0,
) -> pa.Table:
    """Scores of evidence rows that were compared with `references`; one row each, in the same order.

    `distance` is the encoder's, (rows,). `overlay_seq` is the last change of the overlay among the references. The
    scores have no reasons yet.
    """
    rows = evidence.num_rows
    fraud, good = comparison.fraud.mean, comparison.good.mean
    margins = margin(fraud, good)
    novelty = calibration.novelty(distance)
    signal = calibration.signal(margins, novelty)
    columns = [
        evidence.column("transaction_id"),
        evidence.column("event_time").cast(TIMESTAMP),
        evidence.column("account_id"),
        pa.array(signal),
        pa.repeat(calibration.kind.value, rows),
        decide(signal, thresholds),
        pa.array(margins),
        pa.nulls(rows, pa.float64()),
        pa.nulls(rows, pa.list_(REASON)),
        _or_null(fraud, comparison.fraud),
        _or_null(good, comparison.good),
        pa.array(novelty),
        precedents(comparison, references),
        pa.array(comparison.fraud.tied),
        pa.array(comparison.good.tied),
        pa.repeat(release_id, rows),
        pa.repeat(pa.scalar(overlay_seq, pa.int64()), rows),
        pa.nulls(rows, pa.string()),
        pa.nulls(rows, pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(columns, schema=SCORES)


def _or_null(mean: np.ndarray, side: Side) -> pa.Array:
    return pa.array(mean, mask=side.similarity[:, 0] <= NOTHING)


def precedents(comparison: Comparison, references: pa.Table) -> pa.Array:
    """The nearest references of both sides as lists of structs, frauds first."""
    similarity = np.hstack([comparison.fraud.similarity, comparison.good.similarity])
    position = np.hstack([comparison.fraud.position, comparison.good.position])
    named = similarity > NOTHING
    offsets = np.concatenate([[0], np.cumsum(named.sum(axis=1))]).astype(np.int32)
    rows = pa.array(position[named])
    name, label, time = (_taken(references.column(name), rows) for name in ("reference_id", "label", "event_time"))
    near = pa.array(similarity[named].astype(np.float32))
    structs = pa.StructArray.from_arrays([name, label, near, time], fields=list(PRECEDENT))
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


def _taken(column: pa.ChunkedArray, rows: pa.Array) -> pa.Array:
    return column.chunk(0).take(rows) if column.num_chunks == 1 else column.take(rows).combine_chunks()


def with_reasons(scores: pa.Table, rows: Integers, found: Reasons) -> pa.Table:
    """The same scores with the reasons of some rows, at these positions."""
    usual = np.full(scores.num_rows, np.nan)
    usual[rows] = found.usual_margin
    listed: list[list[dict[str, Any]] | None] = [None] * scores.num_rows
    for row, reasons in zip(rows.tolist(), found.reasons, strict=True):
        listed[row] = [asdict(reason) for reason in reasons]
    place = SCORES.get_field_index("usual_margin")
    scores = scores.set_column(place, SCORES.field(place), pa.array(usual, mask=np.isnan(usual)))
    return scores.set_column(place + 1, SCORES.field(place + 1), pa.array(listed, pa.list_(REASON)))
