"""Validation inside the training window: choose by later blocks of time, each judged by what was fitted before it."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import pyarrow as pa
from sklearn.metrics import average_precision_score

from counterfoil.domain.arrays import Doubles, Flags, Floats, Integers, Labels, frauds_and_first_good
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.encoding.encoder import ODDS, VOTES, Blocks, Encoder, Mixture, join
from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.encoding.selection import select_evidence
from counterfoil.domain.policy.thresholds import Thresholds, choose_thresholds
from counterfoil.domain.release.references import condense
from counterfoil.domain.scoring.signal import Calibration, fit_calibration, margin
from counterfoil.domain.training.doubt import Ranked, account_numbers, lead
from counterfoil.domain.training.nearest import mean_cosines
from counterfoil.domain.training.options import TrainingOptions

KEPT = 0.99
"""Of the precision of the most good references: the fewest that keep so much of it are taken."""
FRAUDS_FOR_CALIBRATION = 50
"""With fewer out-of-sample frauds the calibration was seen to be off by an order of magnitude."""
FRAUDS_TO_CHOOSE_BY = 50
"""With fewer out-of-sample frauds the mixture that they liked best did worse on later payments than the first one."""
CANDIDATES = 2
"""Times as many good payments are encoded as may be kept, since equal ones leave."""
IGNORED_DELAY = "validation ignored the label delay: less than half of what lay before a block was known when it began"
"""A note of the release."""


@dataclass(frozen=True)
class Fold:
    """One validation block, encoded by an encoder that was fitted before it."""

    fit_blocks: Blocks
    fit_labels: Labels
    blocks: Blocks
    labels: Labels
    weights: Doubles
    accounts: Integers


@dataclass(frozen=True)
class Choice:
    """What was chosen; `precision` is the mean average precision on the folds with it, None without folds."""

    mixture: Mixture
    neighbours: int
    good_references: int
    precision: float | None = None


def time_splits(
    payments: pa.Table, labels: Labels, starts: tuple[float, ...]
) -> tuple[list[tuple[Flags, Flags]], tuple[str, ...]]:
    """Cut the training window into later blocks and what was known before each: (fit, validate) flags.

    `starts` are quantiles of the payments' times. Splits without both kinds of labels on both sides are left
    out. Where less than half of the payments before a block, or of the frauds among them, were known when it began (a
    short window, or labels that come late), all before it count, and a note says so.
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
            notes.append(IGNORED_DELAY)
        if all(len(np.unique(labels[side])) == 2 for side in (fit, validate)):
            splits.append((fit, validate))
    return splits, tuple(dict.fromkeys(notes))


def fold_of(
    payments: pa.Table,
    weights: Doubles,
    split: tuple[Flags, Flags],
    schema: EvidenceSchema,
    embed: Embed,
    options: TrainingOptions,
) -> Fold:
    """Fit on one side of a split and encode both with that."""
    labels = payments.column("label").to_numpy().astype(np.int8)
    fit, validate = split
    before, after = payments.filter(pa.array(fit)), payments.filter(pa.array(validate))
    usable, _ = select_evidence(before, schema)
    every = mixtures(options)
    encoder = fit_encoder(before, usable, max(every, key=lambda mixture: mixture.odds), embed, options, every)
    worth = worth_encoding(labels[fit], options)
    rows, row_weights = _fewer_good(labels[validate], weights[validate], options.validation_good)
    known = labels[fit][worth]
    return Fold(
        encoder.blocks(before.take(worth), embed, known), known,
        encoder.blocks(after.take(rows), embed), labels[validate][rows], row_weights,
        account_numbers(after.take(rows)),
    )  # fmt: skip


def fit_encoder(
    payments: pa.Table,
    schema: EvidenceSchema,
    mixture: Mixture,
    embed: Embed,
    options: TrainingOptions,
    others: Iterable[Mixture] = (),
) -> Encoder:
    """Fit an encoder of the options' size on labelled payments; with the machines of `others` too, to choose from."""
    return Encoder.fit(
        payments, payments.column("label").to_numpy().astype(np.int8), schema,
        embed=embed, seed=options.seed, mixture=mixture, trees=options.trees, rounds=options.rounds,
        machines=[other.machines for other in others], workers=options.workers,
    )  # fmt: skip


def mixtures(options: TrainingOptions) -> list[Mixture]:
    """All that may be chosen; without a share of odds it makes no difference whose they are."""
    every = product(options.machines, options.shares, options.odds)
    return [Mixture(share, odds, name) for name, share, odds in every if odds or name == options.machines[0]]


def worth_encoding(labels: Labels, options: TrainingOptions) -> np.ndarray:
    """Positions of the rows of which the references are taken."""
    return frauds_and_first_good(labels, CANDIDATES * max(options.good_references))


def _fewer_good(labels: Labels, weights: Doubles, most: int) -> tuple[np.ndarray, Doubles]:
    """All frauds and the first `most` good rows, whose weights then stand for the others too."""
    good = np.flatnonzero(labels == 0)
    kept = frauds_and_first_good(labels, most)
    factor = np.where(labels[kept] == 0, len(good) / max(len(good[:most]), 1), 1.0)
    return kept, weights[kept] * factor


def keep_references(blocks: Blocks, labels: Labels, mixture: Mixture, size: int) -> tuple[np.ndarray, Floats]:
    """All frauds and a condensed set of good payments: their row positions and vectors."""
    frauds, goods = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    good_vectors = join(blocks.take(goods[: CANDIDATES * size]), mixture)
    chosen = condense(good_vectors, size)
    if len(chosen) < size and len(good_vectors) < len(goods):  # many are equal: look further
        good_vectors = join(blocks.take(goods), mixture)
        chosen = condense(good_vectors, size)
    vectors = np.vstack([join(blocks.take(frauds), mixture), good_vectors[chosen]])
    return np.concatenate([frauds, goods[chosen]]), vectors


def _margins(fold: Fold, mixture: Mixture, neighbours: Sequence[int], size: int) -> dict[int, Doubles]:
    """The margins of a fold's rows with `size` good references, by number of neighbours."""
    kept, vectors = keep_references(fold.fit_blocks, fold.fit_labels, mixture, size)
    known, asked = fold.fit_labels[kept], join(fold.blocks, mixture)
    frauds, goods = (mean_cosines(asked, vectors[known == label], neighbours) for label in (1, 0))
    return {k: margin(frauds[k], goods[k]) for k in neighbours}


def _precision(fold: Fold, margins: Doubles) -> float:
    return float(average_precision_score(fold.labels, margins, sample_weight=fold.weights))


def choose(folds: list[Fold], options: TrainingOptions) -> Choice:
    """The mixture and the number of neighbours with the best mean average precision on the folds.

    They are chosen with `judged_good` good references; then the fewest are taken that keep the precision of the
    most. Where the best mixture leads the first by no more than its standard error (Breiman et al. 1984, section 3.4),
    or with few frauds in the folds, the first is taken; without folds the first of each choice, and the most good
    references.
    """
    possible = mixtures(options)
    if _frauds(folds) < FRAUDS_TO_CHOOSE_BY:
        possible = possible[:1]
    largest = max(options.good_references)
    if not folds:
        return Choice(possible[0], options.neighbours[0], largest)
    with ThreadPoolExecutor(options.workers) as pool:
        judged = list(pool.map(lambda one: _precisions(folds, one, options.judged_good, options), possible))
        found = {
            (mixture, k): precision
            for mixture, precisions in zip(possible, judged, strict=True)
            for k, precision in precisions.items()
        }
        mixture, k = max(found, key=lambda choice: found[choice])
        if not _leads(folds, mixture, possible[0], k, options):
            mixture, k = possible[0], max(options.neighbours, key=lambda k: found[possible[0], k])
        only, sizes = replace(options, neighbours=(k,)), sorted(options.good_references)
        judged = list(pool.map(lambda size: _precisions(folds, mixture, size, only), sizes))
    by_size = {size: precisions[k] for size, precisions in zip(sizes, judged, strict=True)}
    enough = next((size for size in by_size if by_size[size] >= KEPT * by_size[largest]), largest)
    return Choice(mixture, k, enough, by_size[enough])


def _leads(folds: list[Fold], best: Mixture, first: Mixture, k: int, options: TrainingOptions) -> bool:
    """Whether the best mixture is better than the first by more than chance may move it."""
    if best == first:
        return True
    ranked = [
        Ranked(
            fold.labels, fold.weights, fold.accounts,
            *(_margins(fold, mixture, (k,), options.judged_good)[k] for mixture in (best, first)),
        )
        for fold in folds
    ]  # fmt: skip
    found, error = lead(ranked, options.seed)
    return found > error


def _precisions(folds: list[Fold], mixture: Mixture, size: int, options: TrainingOptions) -> dict[int, float]:
    """Mean average precision by number of neighbours."""
    found = [(fold, _margins(fold, mixture, options.neighbours, size)) for fold in folds]
    return {k: float(np.mean([_precision(fold, margins[k]) for fold, margins in found])) for k in options.neighbours}


def calibrate(folds: list[Fold], choice: Choice, options: TrainingOptions) -> tuple[Calibration | None, Thresholds]:
    """Calibration and thresholds by the out-of-sample margins of all folds; no calibration without folds."""
    if not folds:
        return None, Thresholds()
    found = [_margins(f, choice.mixture, (choice.neighbours,), choice.good_references) for f in folds]
    margins = np.concatenate([margins[choice.neighbours] for margins in found])
    labels = np.concatenate([fold.labels for fold in folds])
    weights = np.concatenate([fold.weights for fold in folds])
    distance = np.concatenate([fold.blocks.distance for fold in folds])
    calibration = fit_calibration(margins, labels, weights, distance)
    signal = calibration.signal(margins, calibration.novelty(distance))
    return calibration, choose_thresholds(signal, labels, weights, alert_budget=options.alert_budget)


def ablate(folds: list[Fold], choice: Choice, options: TrainingOptions) -> dict[str, float]:
    """Mean average precision without each of the blocks that have columns in every fold."""
    only = replace(options, neighbours=(choice.neighbours,))

    def without(name: str) -> float:
        quiet = [replace(f, fit_blocks=f.fit_blocks.without(name), blocks=f.blocks.without(name)) for f in folds]
        return _precisions(quiet, choice.mixture, choice.good_references, only)[choice.neighbours]

    names = list(_silenceable(folds))
    with ThreadPoolExecutor(options.workers) as pool:
        return dict(zip(names, pool.map(without, names), strict=True))


def _silenceable(folds: list[Fold]) -> Iterator[str]:
    """Blocks that have columns in every fold, while another block remains."""
    if not folds:
        return
    each = [_widths(fold.blocks) for fold in folds]
    widths = {name: min(one[name] for one in each) for name in each[0] if all(name in one for one in each)}
    if sum(width > 0 for width in widths.values()) > 1:
        yield from (name for name, width in widths.items() if width > 0)


def _widths(blocks: Blocks) -> dict[str, int]:
    """The widths of all blocks that can be silenced."""
    odds = max((part.shape[1] for part in blocks.odds.values()), default=0)
    evidence = {name: part.shape[1] for name, part in blocks.evidence.items()}
    return {VOTES: blocks.votes.shape[1], ODDS: odds, **evidence}


def _frauds(folds: list[Fold]) -> int:
    return int(sum((fold.labels == 1).sum() for fold in folds))


def doubts(folds: list[Fold]) -> tuple[str, ...]:
    """What a reader of the calibration should know of the payments it was fitted on."""
    frauds = _frauds(folds)
    if frauds >= FRAUDS_FOR_CALIBRATION:
        return ()
    if frauds == 0:
        return ("no validation block holds both labels: the signal ranks novelty",)
    return (f"calibrated on {frauds} frauds only: read the signal as a rank, not as a probability",)
