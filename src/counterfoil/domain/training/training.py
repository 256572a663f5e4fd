"""Fit a release on the payments whose labels are known: choose on validation blocks, then fit on all."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Floats
from counterfoil.domain.encoding.blocks import Embed
from counterfoil.domain.encoding.collapse import Spread, refuse_collapse, spread
from counterfoil.domain.encoding.encoder import Encoder
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
from counterfoil.domain.encoding.selection import select_evidence
from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.domain.release.references import reference_table
from counterfoil.domain.scoring.signal import Calibration, fit_calibration
from counterfoil.domain.training.options import TrainingOptions
from counterfoil.domain.training.validation import (
    Fold,
    ablate,
    calibrate,
    choose,
    doubts,
    fit_encoder,
    fold_of,
    keep_references,
    time_splits,
    worth_encoding,
)
from counterfoil.errors import TrainingError
from counterfoil.progress import Progress


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


def fit_release(
    payments: pa.Table,
    weights: Doubles,
    schema: EvidenceSchema,
    *,
    embed: Embed,
    options: TrainingOptions,
    progress: Progress = Progress(),
) -> Fitted:
    """Fit encoder, references and calibration on evidence rows whose labels are known.

    `payments` has a label (1 or 0) in every row and comes in the order of a hash of its ids; `weights` are
    the inverse sampling rates. The mixture and the numbers of neighbours and of good references are chosen on later
    blocks of time, each judged by what was fitted before it. Calibration and thresholds come from the same
    out-of-sample margins. Raises TrainingError or CollapsedEncoderError.
    """
    if payments.num_rows < 2:
        raise TrainingError(f"{payments.num_rows} payments with known labels: nothing can be learned; widen the window")
    schema, left_out = select_evidence(payments, schema)
    labels = payments.column("label").to_numpy().astype(np.int8)
    splits, notes = time_splits(payments, labels, options.fold_starts)
    folds: list[Fold] = []
    for number, split in enumerate(splits, 1):
        progress.begin(f"validation block {number}")
        folds.append(fold_of(payments, weights, split, schema, embed, options))
    progress.begin("choosing and calibrating on validation blocks")
    choice = choose(folds, options)
    calibration, thresholds = calibrate(folds, choice, options)
    ablation = ablate(folds, choice, options)
    progress.begin("fitting on the whole training window")
    encoder = fit_encoder(payments, schema, choice.mixture, embed, options)
    worth = worth_encoding(labels, options)
    blocks = encoder.blocks(payments.take(worth), embed, labels[worth])
    found = spread(blocks, encoder.mixture, options.seed)
    refuse_collapse(found)
    kept, vectors = keep_references(blocks, labels[worth], encoder.mixture, choice.good_references)
    kept = worth[kept]
    if calibration is None:
        calibration = _novelty_only(encoder.forest_input(payments.take(worth)))
    return Fitted(
        encoder, calibration, choice.neighbours, reference_table(payments.take(kept), vectors),
        usual_values(payments.filter(pa.array(labels == 0)), schema.numeric), left_out, found,
        {} if choice.precision is None else {"average_precision": choice.precision}, ablation,
        (*notes, *doubts(folds)), thresholds,
    )  # fmt: skip


def usual_values(good: pa.Table, names: tuple[str, ...]) -> dict[str, float]:
    """The medians of good payments, by column; 0 where none has a value."""
    values = numbers(good, names)
    there = np.asarray(np.isfinite(values).any(axis=0))
    return {name: float(np.nanmedian(values[:, place])) if there[place] else 0.0 for place, name in enumerate(names)}


def _novelty_only(values: Floats) -> Calibration:
    """Without usable validation blocks: rank the strangeness of every fifth payment by what the others look like."""
    unseen = np.arange(len(values)) % 5 == 0
    distance = Strangeness.fit(values[~unseen]).distance(values[unseen])
    zeros = np.zeros(len(distance))
    return fit_calibration(zeros, zeros.astype(np.int8), zeros + 1, distance)
