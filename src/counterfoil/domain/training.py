"""Fit a release on the payments whose labels are known: choose on validation blocks, then fit on all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Flags, Floats, Labels, frauds_and_first_good
from counterfoil.domain.detection.compare import Comparison, References
from counterfoil.domain.detection.signal import Calibration, fit_calibration, margin
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.encoding.collapse import Spread, refuse_collapse, spread
from counterfoil.domain.encoding.encoder import VOTES, Blocks, Encoder, join
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
from counterfoil.domain.encoding.selection import select_evidence
from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.domain.encoding.votes import TREES
from counterfoil.domain.references import condense, reference_table
from counterfoil.domain.thresholds import ALERT_BUDGET, Thresholds, choose_thresholds
from counterfoil.errors import TrainingError

Progress = Callable[[str], None]

FRAUDS_FOR_CALIBRATION = 50
"""With fewer out-of-sample frauds the calibration was seen to be off by an order of magnitude."""

KEPT = 0.99
"""Of the precision of the most good references: the fewest that keep so much of it are taken."""
CANDIDATES = 2
"""Times as many good payments are encoded as may be kept, since equal ones leave."""


@dataclass(frozen=True)
class TrainingOptions:
    """What may be chosen, and from what. The defaults serve every mapping."""

    good_references: tuple[int, ...] = (1_000, 2_000, 5_000, 10_000)
    validation_good: int = 20_000
    shares: tuple[float, ...] = (0.05, 0.1, 0.2)
    neighbours: tuple[int, ...] = (5, 10, 20)
    fold_starts: tuple[float, ...] = (0.6, 0.8, 1.0)
    trees: int = TREES
    alert_budget: float = ALERT_BUDGET
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Fitted:
    """All that training found; `references` follows `reference_schema`."""

    encoder: Encoder
    calibration: Calibration
    neighbours: int
    references: pa.Table
    usual: dict[str, float]
    left_out: dict[str, str]
    spread: Spread
    validation: dict[str, float] = field(default_factory=dict)
    ablation: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class _Fold:
    """One validation block, encoded by an encoder that was fitted before it."""

    fit_blocks: Blocks
    fit_labels: Labels
    blocks: Blocks
    distance: Doubles
    labels: Labels
    weights: Doubles


def fit_release(
    payments: pa.Table,
    weights: Doubles,
    schema: EvidenceSchema,
    *,
    embed: Embed,
    options: TrainingOptions,
    progress: Progress = lambda _: None,
) -> Fitted:
    """Fit encoder, references and calibration on evidence rows whose labels are known.

    `payments` has a label (1 or 0) in every row and comes in the order of a hash of its ids; `weights` are
    the inverse sampling rates. Share of evidence and number of neighbours are those with the best average
    precision on later blocks of time, each judged by what was fitted before it; of good references the fewest are
    kept that cost next to nothing of it. Calibration and thresholds come from the same out-of-sample margins.
    Raises TrainingError or CollapsedEncoderError.
    """
    if payments.num_rows < 2:
        raise TrainingError(f"{payments.num_rows} payments with known labels: nothing can be learned; widen the window")
    schema, left_out = select_evidence(payments, schema)
    labels = payments.column("label").to_numpy().astype(np.int8)
    splits, notes = time_splits(payments, labels, options.fold_starts)
    folds = [
        _fold(payments, labels, weights, split, schema, embed, options, progress, number)
        for number, split in enumerate(splits, 1)
    ]
    share, k, size, precision = _choose(folds, options)
    progress("calibrating on validation blocks")
    calibration, thresholds, ablation = _calibrate(folds, share, k, size, options)
    notes = (*notes, *_doubts(folds))
    progress("fitting on the whole training window")
    encoder = Encoder.fit(payments, labels, schema, embed=embed, seed=options.seed, share=share, trees=options.trees)
    worth = frauds_and_first_good(labels, CANDIDATES * max(options.good_references))
    blocks = encoder.blocks(payments.take(worth), embed)
    found = spread(blocks, encoder.evidence_share, options.seed)
    refuse_collapse(found)
    kept, vectors = keep_references(blocks, labels[worth], encoder.evidence_share, size)
    kept = worth[kept]
    if calibration is None:
        calibration = _novelty_only(encoder.forest_input(payments.take(worth)))
    return Fitted(
        encoder, calibration, k, reference_table(payments.take(kept), vectors),
        usual_values(payments.filter(pa.array(labels == 0)), schema.numeric), left_out, found,
        {"average_precision": precision} if precision is not None else {}, ablation, notes, thresholds,
    )  # fmt: skip


def usual_values(good: pa.Table, names: tuple[str, ...]) -> dict[str, float]:
    """The medians of good payments, by column; 0 where none has a value."""
    values = numbers(good, names)
    there = np.asarray(np.isfinite(values).any(axis=0))
    return {name: float(np.nanmedian(values[:, place])) if there[place] else 0.0 for place, name in enumerate(names)}


def time_splits(
    payments: pa.Table, labels: Labels, starts: tuple[float, ...]
) -> tuple[list[tuple[Flags, Flags]], tuple[str, ...]]:
    """Cut the training window into later blocks and what was known before each: (fit, validate) flags.

    `starts` are quantiles of the payments' times. Splits without both kinds of labels on both sides are left
    out. Where the window is so short that waiting for the labels' delay would leave less than half of what
    lies before a block, the delay is ignored there, and a note says so.
    """
    times = payments.column("event_time").cast(pa.int64()).to_numpy()
    known = payments.column("known_at").cast(pa.int64()).to_numpy()
    edges = np.quantile(times, starts)
    splits, notes = [], []
    for begin, end in pairwise(edges):
        last = end == edges[-1]
        validate = (times >= begin) & ((times <= end) if last else (times < end))
        before = times < begin
        fit = before & (known <= begin)
        if fit.sum() < before.sum() / 2 or labels[fit].sum() < labels[before].sum() / 2:
            fit = before
            notes.append("the training window is short: its validation ignored the label delay")
        if all(len(np.unique(labels[side])) == 2 for side in (fit, validate)):
            splits.append((fit, validate))
    return splits, tuple(dict.fromkeys(notes))


def _fold(
    payments: pa.Table, labels: Labels, weights: Doubles, split: tuple[Flags, Flags], schema: EvidenceSchema,
    embed: Embed, options: TrainingOptions, progress: Progress, number: int,
) -> _Fold:  # fmt: skip
    progress(f"validation block {number}")
    fit, validate = split
    before, after = payments.filter(pa.array(fit)), payments.filter(pa.array(validate))
    usable, _ = select_evidence(before, schema)
    encoder = Encoder.fit(before, labels[fit], usable, embed=embed, seed=options.seed, trees=options.trees)
    worth = frauds_and_first_good(labels[fit], CANDIDATES * max(options.good_references))
    rows, row_weights = _fewer_good(labels[validate], weights[validate], options.validation_good)
    after = after.take(rows)
    return _Fold(
        encoder.blocks(before.take(worth), embed), labels[fit][worth],
        encoder.blocks(after, embed), encoder.distances(after), labels[validate][rows], row_weights,
    )  # fmt: skip


def _fewer_good(labels: Labels, weights: Doubles, most: int) -> tuple[np.ndarray, Doubles]:
    """All frauds and the first `most` good rows, whose weights then stand for the others too."""
    good = np.flatnonzero(labels == 0)
    kept = frauds_and_first_good(labels, most)
    factor = np.where(labels[kept] == 0, len(good) / max(len(good[:most]), 1), 1.0)
    return kept, weights[kept] * factor


def keep_references(blocks: Blocks, labels: Labels, share: float, size: int) -> tuple[np.ndarray, Floats]:
    """All frauds and a condensed set of good payments: their row positions and vectors."""
    frauds, goods = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    good_vectors = join(blocks.take(goods), share)
    chosen = condense(good_vectors, size)
    vectors = np.vstack([join(blocks.take(frauds), share), good_vectors[chosen]])
    return np.concatenate([frauds, goods[chosen]]), vectors


def _judge(fold: _Fold, share: float, k: int, size: int, options: TrainingOptions) -> Comparison:
    kept, vectors = keep_references(fold.fit_blocks, fold.fit_labels, share, size)
    references = References(vectors, fold.fit_labels[kept], device=options.device)
    return references.compare(join(fold.blocks, share), k)


def _precision(fold: _Fold, comparison: Comparison, k: int) -> float:
    nearest = (replace(side, similarity=side.similarity[:, :k]).mean for side in (comparison.fraud, comparison.good))
    return float(average_precision_score(fold.labels, margin(*nearest), sample_weight=fold.weights))


def _choose(folds: list[_Fold], options: TrainingOptions) -> tuple[float, int, int, float | None]:
    """The share of evidence and the number of neighbours with the best mean average precision.

    And the fewest good references that keep that, and the precision with them.
    """
    largest = max(options.good_references)
    if not folds:
        return options.shares[0], options.neighbours[0], largest, None
    found = {
        (share, k): value
        for share in options.shares
        for k, value in _precisions(folds, share, largest, options).items()
    }
    share, k = max(found, key=lambda choice: found[choice])
    only = replace(options, neighbours=(k,))
    for size in sorted(options.good_references):
        precision = found[share, k] if size == largest else _precisions(folds, share, size, only)[k]
        if precision >= KEPT * found[share, k]:
            break
    return share, k, size, precision


def _precisions(folds: list[_Fold], share: float, size: int, options: TrainingOptions) -> dict[int, float]:
    """Mean average precision by number of neighbours."""
    deepest = max(options.neighbours)
    compared = [(fold, _judge(fold, share, deepest, size, options)) for fold in folds]
    return {k: float(np.mean([_precision(fold, found, k) for fold, found in compared])) for k in options.neighbours}


def _calibrate(
    folds: list[_Fold], share: float, k: int, size: int, options: TrainingOptions
) -> tuple[Calibration | None, Thresholds, dict[str, float]]:
    """Calibration and thresholds by the out-of-sample margins of all folds, and the precision without each block."""
    if not folds:
        return None, Thresholds(), {}
    compared = [_judge(fold, share, k, size, options) for fold in folds]
    margins = np.concatenate([margin(c.fraud.mean, c.good.mean) for c in compared])
    labels = np.concatenate([fold.labels for fold in folds])
    weights = np.concatenate([fold.weights for fold in folds])
    distance = np.concatenate([fold.distance for fold in folds])
    calibration = fit_calibration(margins, labels, weights, distance)
    signal = calibration.signal(margins, calibration.novelty(distance))
    thresholds = choose_thresholds(signal, labels, weights, alert_budget=options.alert_budget)
    return calibration, thresholds, _ablate(folds, share, k, size, options)


def _ablate(folds: list[_Fold], share: float, k: int, size: int, options: TrainingOptions) -> dict[str, float]:
    """Mean average precision without each of the blocks."""
    ablation = {}
    for name in _silenceable(folds):
        quiet = [replace(f, fit_blocks=f.fit_blocks.without(name), blocks=f.blocks.without(name)) for f in folds]
        ablation[name] = float(np.mean([_precision(f, _judge(f, share, k, size, options), k) for f in quiet]))
    return ablation


def _silenceable(folds: list[_Fold]) -> Iterator[str]:
    """Blocks that have columns in every fold, while another block remains."""
    names = [VOTES, *folds[0].blocks.evidence]
    widths = {
        name: min((f.blocks.votes if name == VOTES else f.blocks.evidence[name]).shape[1] for f in folds)
        for name in names
        if all(name == VOTES or name in f.blocks.evidence for f in folds)
    }
    if sum(width > 0 for width in widths.values()) > 1:
        yield from (name for name, width in widths.items() if width > 0)


def _doubts(folds: list[_Fold]) -> tuple[str, ...]:
    """What a reader of the calibration should know of the payments it was fitted on."""
    frauds = int(sum((fold.labels == 1).sum() for fold in folds))
    if frauds >= FRAUDS_FOR_CALIBRATION:
        return ()
    if frauds == 0:
        return ("no validation block holds both labels: the signal ranks novelty",)
    return (f"calibrated on {frauds} frauds only: read the signal as a rank, not as a probability",)


def _novelty_only(values: Floats) -> Calibration:
    """Without usable validation blocks: rank the strangeness of every fifth payment by what the others look like."""
    unseen = np.arange(len(values)) % 5 == 0
    distance = Strangeness.fit(values[~unseen]).distance(values[unseen])
    zeros = np.zeros(len(distance))
    return fit_calibration(zeros, zeros.astype(np.int8), zeros + 1, distance)
