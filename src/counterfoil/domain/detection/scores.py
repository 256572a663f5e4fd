"""The table of scores: each with its precedents, and the release it can be replayed from."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Integers
from counterfoil.domain.detection.compare import NOTHING, Comparison, Side
from counterfoil.domain.detection.reasoner import Reasons
from counterfoil.domain.detection.signal import Calibration, margin
from counterfoil.domain.schemas import TIMESTAMP

PRECEDENT = pa.struct(
    [
        pa.field("reference_id", pa.string()),
        pa.field("label", pa.int8()),  # 1 fraud, 0 good
        pa.field("similarity", pa.float32()),  # cosine
        pa.field("event_time", TIMESTAMP),
    ]
)

REASON = pa.struct(
    [
        pa.field("topic", pa.string()),
        pa.field("contribution", pa.float64()),  # to the margin
        pa.field("words", pa.string()),
    ]
)

SCORES = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("event_time", TIMESTAMP, nullable=False),
        pa.field("account_id", pa.string()),
        pa.field("anomaly_signal", pa.float64(), nullable=False),  # in [0, 1], higher is riskier
        pa.field("signal_kind", pa.string(), nullable=False),  # calibrated or novelty
        pa.field("margin", pa.float64(), nullable=False),  # what the probability is made of; higher is riskier
        pa.field("usual_margin", pa.float64()),  # with all evidence at its usual values; the reasons make the rest
        pa.field("reasons", pa.list_(REASON)),  # greatest contribution first; null below the threshold of review
        pa.field("fraud_similarity", pa.float64()),  # mean cosine to the nearest frauds; null without frauds
        pa.field("good_similarity", pa.float64()),
        pa.field("novelty", pa.float64(), nullable=False),  # share of unseen good payments that are less strange
        pa.field("precedents", pa.list_(PRECEDENT)),  # frauds first, each side most similar first
        pa.field("fraud_tied", pa.bool_()),  # the next fraud is as similar as the last one named
        pa.field("good_tied", pa.bool_()),
        pa.field("release_id", pa.string(), nullable=False),
        pa.field("overlay_seq", pa.int64(), nullable=False),  # analysts' feedback seen; 0 is the base alone
    ]
)


def score_table(
    evidence: pa.Table,
    comparison: Comparison,
    distance: Doubles,
    references: pa.Table,
    calibration: Calibration,
    release_id: str,
) -> pa.Table:
    """Scores of evidence rows that were compared with `references`; one row each, in the same order.

    `distance` is the encoder's, (rows,).

    They have no reasons yet.
    """
    rows = evidence.num_rows
    fraud, good = comparison.fraud.mean, comparison.good.mean
    margins = margin(fraud, good)
    novelty = calibration.novelty(distance)
    columns = [
        evidence.column("transaction_id"),
        evidence.column("event_time").cast(TIMESTAMP),
        evidence.column("account_id"),
        pa.array(calibration.signal(margins, novelty)),
        pa.repeat(calibration.kind.value, rows),
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
        pa.repeat(pa.scalar(0, pa.int64()), rows),
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
    cited = references.select(["reference_id", "label", "event_time"]).take(pa.array(position[named]))
    structs = pa.StructArray.from_arrays(
        [
            cited.column("reference_id").combine_chunks(),
            cited.column("label").combine_chunks(),
            pa.array(similarity[named].astype(np.float32)),
            cited.column("event_time").combine_chunks(),
        ],
        fields=list(PRECEDENT),
    )
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


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
