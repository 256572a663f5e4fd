"""Which decisions would be others without a reference, or if it were of the other label."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.policy.decide import decide
from counterfoil.domain.release.references import vectors_of
from counterfoil.domain.schemas import FRAUD, GOOD
from counterfoil.domain.scoring.compare import NOTHING, References
from counterfoil.domain.scoring.signal import SignalKind, margin
from counterfoil.domain.scoring.what_if import Taken, least_similar, margins_of, margins_without, most_moved
from counterfoil.domain.tables import SCORED_EVIDENCE
from counterfoil.errors import NotFoundError, ReleaseMismatchError, UsageError
from counterfoil.ports.lake import TableStore
from counterfoil.ports.service import KeptScore
from counterfoil.steps.insights.scores import release_of_run, run_files
from counterfoil.steps.lake.engine import engine, one_row, parquet_source
from counterfoil.steps.scoring.recent import evidence_table, has_evidence
from counterfoil.steps.scoring.score import as_scored
from counterfoil.steps.scoring.scorer import Detector

AT_A_TIME = 2_048


@dataclass(frozen=True)
class Flip:
    """A payment that would be decided otherwise, with its signals."""

    transaction_id: str
    before: str
    after: str
    signal_before: float
    signal_after: float


@dataclass(frozen=True)
class WhatIf:
    """What came of it: of so many `payments` `cited` may have it among their nearest; `compared` were compared again.

    The others cannot be decided otherwise. Of those compared `touched` have another signal, `largest` is the largest
    move of one, and `bound` the most that the mean similarity of a side could move for any one reference taken away.
    """

    payments: int
    cited: int
    compared: int
    touched: int
    largest: float
    bound: float
    flips: tuple[Flip, ...]


Part = tuple[Sequence[str], pa.Table]
"""Some payments: their ids, and their evidence as the release reads it, in the same order."""


def what_if(detector: Detector, scores: Sequence[KeptScore], reference: str, relabel: int | None = None) -> WhatIf:
    """Decide on what the service scored by the release in use, with and without a reference of its base.

    With `relabel` the reference stays, as its vector is kept, with that label. Only thresholds decide, no policy.
    Without a relabelling only payments that may have it among their nearest are compared. Raises NotFoundError for an
    unknown reference, UsageError for one that feedback added, that has the label already, or without known frauds.
    """
    taken = _taken(detector, reference, relabel)
    usable = [one for one in scores if has_evidence(one, detector.release)]
    asked = usable if relabel is not None else [one for one in usable if _may_cite(one, reference, detector)]
    parts = (
        ([one.transaction_id for one in part], evidence_table(part, detector.release))
        for part in (asked[first : first + AT_A_TIME] for first in range(0, len(asked), AT_A_TIME))
    )
    return _tried(detector, (len(usable), len(asked)), parts, taken, moves=relabel is not None)


def what_if_of_run(
    detector: Detector, tables: TableStore, run: str, reference: str, relabel: int | None = None
) -> WhatIf:
    """The same of the payments of a run of scores that this release made; what the run has is read, nothing else.

    Raises NotFoundError too if the run is not there, ReleaseMismatchError if another release made it.
    """
    taken = _taken(detector, reference, relabel)
    made_by = release_of_run(tables, run)
    if made_by != detector.release_id:
        raise ReleaseMismatchError(f"run {run} was scored by release {made_by}, not by {detector.release_id}")
    kept = tables.files(SCORED_EVIDENCE, run)
    if not kept:
        raise NotFoundError(f"the evidence of run {run} was not kept: score its payments again")
    scores, moves = parquet_source(run_files(tables, run)), relabel is not None
    with engine() as database:
        [payments] = one_row(database, f"SELECT count(*) FROM {scores}")
        asked = database.sql(_CITING.format(scores=scores), params=[reference, taken[1], moves]).to_arrow_table()
        cited, asked = asked.num_rows, asked if moves else asked.filter(_may_flip(detector, asked, taken))
        database.register("asked", asked.select(["transaction_id"]))
        found = database.sql(f"SELECT evidence.* FROM {parquet_source(kept)} AS evidence SEMI JOIN asked "
                             "USING (transaction_id)").to_arrow_reader(AT_A_TIME)  # fmt: skip
        batches = (as_scored(pa.Table.from_batches([batch]), detector.release) for batch in found)
        parts = ((rows["transaction_id"].to_pylist(), rows) for rows in batches if rows.num_rows)
        return _tried(detector, (int(payments), cited), parts, taken, moves=moves)


_CITING = """
SELECT transaction_id, fraud_similarity, good_similarity, similarity, places FROM (
    SELECT *, list_filter(precedents, lambda cited: cited.reference_id = ?)[1].similarity::DOUBLE AS similarity,
        len(list_filter(precedents, lambda cited: cited.label = ?)) AS places
    FROM {scores}
) WHERE ? OR similarity IS NOT NULL
"""
"""Payments that cite a reference: their cosine to it, and how many references of its side they cite."""
SLACK = 1e-3
"""Of a margin: so far from a threshold nothing is decided by rounding."""


def _may_flip(detector: Detector, cited: pa.Table, taken: tuple[int, int]) -> pa.Array:
    """Whether payments that cite a reference may be decided otherwise without it, from their scores alone (flags)."""
    position, label = taken
    k, read = detector.release.neighbours, {name: cited[name].to_numpy() for name in cited.column_names[1:]}
    compared = detector.nearest(vectors_of(detector.references.slice(position, 1)), k + 2)
    side = compared.fraud if label == FRAUD else compared.good
    others = side.similarity[0][(side.position[0] != position) & (side.similarity[0] > NOTHING)]
    if others.size < k:  # nobody takes its place
        return pa.array(np.ones(cited.num_rows, dtype=bool))
    lost = np.maximum(read["similarity"] - least_similar(read["similarity"], float(others[k - 1])), 0.0) / k
    fraud, good = read["fraud_similarity"], read["good_similarity"]
    now = margin(fraud, good)
    without = margin(fraud - lost, good) if label == FRAUD else margin(fraud, good - lost)
    ends = (np.minimum(now, without) - SLACK, np.maximum(now, without) + SLACK)
    low, high = (decide(detector.calibration.probability(end), detector.release.thresholds) for end in ends)
    sure = pc.and_(pc.equal(low, high), pa.array((read["places"] == k) & np.isfinite(without)))
    return pc.invert(sure)


def _taken(detector: Detector, reference: str, relabel: int | None) -> tuple[int, int]:
    """A reference's row in the table of references, and its label; raises what `what_if` does."""
    position, label = _found(detector, reference)
    if relabel == label:
        raise UsageError(f"reference {reference!r} is known as {'fraud' if label == FRAUD else 'good'} already")
    if detector.release.calibration.kind is not SignalKind.CALIBRATED:
        raise UsageError(f"release {detector.release_id} knows no frauds: its decisions follow no reference")
    return position, label


def _tried(
    detector: Detector, looked_at: tuple[int, int], parts: Iterable[Part], taken: tuple[int, int], *, moves: bool
) -> WhatIf:
    """Compare payments once more, and tell what would be otherwise."""
    flips: list[Flip] = []
    compared, touched, largest, bound = 0, 0, 0.0, 0.0
    for names, evidence in parts:
        was, becomes, most = _signals(detector, evidence, *taken, moves=moves)
        compared, touched = compared + len(names), touched + int((was != becomes).sum())
        largest, bound = max(largest, float(np.abs(was - becomes).max())), max(bound, most)
        flips += _flips(detector, names, was, becomes)
    return WhatIf(*looked_at, compared, touched, largest, bound, tuple(flips))


def label_of_word(word: str) -> int:
    """The label of 'fraud' or 'good'. Raises UsageError."""
    labels = {"fraud": FRAUD, "good": GOOD}
    if word not in labels:
        raise UsageError(f"{word!r} is no label: a reference is relabelled as REFERENCE=fraud or REFERENCE=good")
    return labels[word]


def _found(detector: Detector, reference: str) -> tuple[int, int]:
    """A reference's row in the table of references, and its label."""
    names = detector.references["reference_id"].to_pylist()
    if reference not in names:
        raise NotFoundError(
            f"release {detector.release_id} has no reference {reference!r}: its scores cite those it has"
        )
    position = names.index(reference)
    if position >= detector.release.reference_rows:
        raise UsageError(f"{reference!r} was added by feedback: 'counterfoil references undo' takes it out")
    return position, int(detector.references["label"][position].as_py())


def _may_cite(score: KeptScore, reference: str, detector: Detector) -> bool:
    """Whether a payment may have a reference among its nearest now.

    All its nearest stand in its score, unless another release or another overlay made that.
    """
    same = score.release_id == detector.release_id and score.answer.get("overlay_seq") == detector.overlay.sequence
    return not same or any(cited["reference_id"] == reference for cited in score.answer["precedents"])


def _signals(
    detector: Detector, evidence: pa.Table, position: int, label: int, *, moves: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """The signals before and after, and the most that the mean similarity of a side could move."""
    k = detector.release.neighbours
    vectors = detector.vectors(evidence)
    compared = detector.nearest(vectors, k + 1)
    cosine = None
    if moves:
        alone = vectors_of(detector.references.slice(position, 1))
        cosine = References(alone, np.array([FRAUD], np.int8)).compare(vectors, 1).fraud.similarity[:, 0]
    taken = Taken(position, label, cosine)
    signals = [detector.calibration.probability(one) for one in (
        margins_of(compared, k), margins_without(compared, taken, k))]  # fmt: skip
    return signals[0], signals[1], float(most_moved(compared, k).max())


def _flips(detector: Detector, names: Sequence[str], was: np.ndarray, becomes: np.ndarray) -> list[Flip]:
    decided = [decide(signals, detector.release.thresholds).to_pylist() for signals in (was, becomes)]
    return [
        Flip(name, before, after, float(was[row]), float(becomes[row]))
        for row, (name, before, after) in enumerate(zip(names, *decided, strict=True))
        if before != after
    ]
