"""The encoder: evidence in, unit vectors of at most 512 float32 out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Floats, Labels, unit_rows
from counterfoil.domain.encoding.blocks import CategoryBlock, CyclicBlock, Embed, NumericBlock, TextBlock
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
from counterfoil.domain.encoding.odds import ROUNDS, OddsBlock
from counterfoil.domain.encoding.selection import relevance
from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.domain.encoding.votes import TREES, VoteBlock
from counterfoil.errors import TrainingError

MAX_DIMENSIONS = 512
VOTES = "votes"
BLOCK_WEIGHTS: Mapping[str, float] = {"numeric": 1.0, "cyclic": 1.0, "category": 1.0, "text": 0.3}
"""Weights of the evidence blocks against each other; the numeric and cyclic columns together have length 1."""
MIN_FRAUDS_FOR_VOTES = 10


@dataclass(frozen=True)
class Mixture:
    """How the parts of a vector are weighted.

    `evidence` is the share of plain evidence in a cosine; `boosting` is that of the boosting machines' odds in the
    learned rest, which is the forests' otherwise.
    """

    evidence: float = 0.2
    boosting: float = 0.25


ALL_EVIDENCE = Mixture(1.0, 0.0)


@dataclass(frozen=True)
class Blocks:
    """The parts of the vectors before they are weighted and joined; each is (rows, its width).

    `distance` (rows,) is how strange each row is among good payments, by the evidence alone; it is in no vector.
    """

    votes: Floats
    odds: Floats
    evidence: Mapping[str, Floats]
    distance: Doubles

    def take(self, rows: np.ndarray) -> "Blocks":
        """The same blocks for some of the rows (positions or flags)."""
        evidence = {name: part[rows] for name, part in self.evidence.items()}
        return Blocks(self.votes[rows], self.odds[rows], evidence, self.distance[rows])

    def without(self, name: str) -> "Blocks":
        """The same blocks with one of them silenced, for ablation; the odds are votes too."""
        votes, odds = (np.zeros_like(part) if name == VOTES else part for part in (self.votes, self.odds))
        evidence = {n: np.zeros_like(p) if n == name else p for n, p in self.evidence.items()}
        return Blocks(votes, odds, evidence, self.distance)


@dataclass(frozen=True)
class Encoder:
    """Fitted blocks and how they are weighted.

    The vector is `[votes * sqrt((1 - s)(1 - b)), odds * sqrt((1 - s) b), evidence * sqrt(s)]` with all three parts of
    length 1, so a cosine is the mixture `(1 - s) ((1 - b) cos(votes) + b cos(odds)) + s cos(evidence)` with
    `s = mixture.evidence` and `b = mixture.boosting`. Without votes (too few known frauds) s is 1.
    """

    schema: EvidenceSchema
    numeric: NumericBlock
    cyclic: CyclicBlock
    category: CategoryBlock
    text: TextBlock | None
    votes: VoteBlock | None
    odds: OddsBlock | None
    strangeness: Strangeness
    mixture: Mixture

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        labels: Labels,
        schema: EvidenceSchema,
        *,
        embed: Embed,
        seed: int,
        mixture: Mixture = Mixture(),
        trees: int = TREES,
        rounds: int = ROUNDS,
    ) -> "Encoder":
        """Fit all blocks on the training rows; those that the mixture has no use for are left out.

        `trees` is the size of each forest, `rounds` that of each boosting machine.
        Raises TrainingError if there is nothing to encode or too much.
        """
        if not (schema.numeric or schema.categorical or schema.textual):
            raise TrainingError("no usable evidence: every declared column is empty, constant or an identity")
        names = (*schema.numeric, *schema.cyclic)
        weight = relevance(numbers(table, names), labels)
        weight = weight / np.sqrt((weight**2).sum())
        split = len(schema.numeric)
        encoder = cls(
            schema=schema,
            numeric=NumericBlock.fit(numbers(table, schema.numeric), schema.numeric, weight[:split]),
            cyclic=CyclicBlock(schema.cyclic, weight[split:]),
            category=CategoryBlock.fit(table, schema.categorical),
            text=TextBlock.fit(table, schema.textual, embed) if schema.textual else None,
            votes=None,
            odds=None,
            strangeness=Strangeness.fit(np.zeros((1, 0), dtype=np.float32)),
            mixture=ALL_EVIDENCE,
        )
        values = encoder.forest_input(table)
        encoder = replace(encoder, strangeness=Strangeness.fit(values[labels == 0] if (labels == 0).any() else values))
        if MIN_FRAUDS_FOR_VOTES <= int((labels == 1).sum()) < len(labels):
            votes = VoteBlock.fit(values, labels, seed, trees)
            odds = OddsBlock.fit(values, labels, seed, rounds) if mixture.boosting else None
            encoder = replace(encoder, votes=votes, odds=odds, mixture=mixture)
        if encoder.dimensions > MAX_DIMENSIONS:
            raise TrainingError(
                f"the vector would have {encoder.dimensions} dimensions, {MAX_DIMENSIONS} is the most:"
                " declare fewer numeric evidence columns in the mapping"
            )
        return encoder

    @property
    def vote_dimensions(self) -> int:
        """Length of the learned part, votes and odds, which comes first."""
        return sum(0 if block is None else block.dimensions for block in (self.votes, self.odds))

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        categories = sum(len(values) for values in self.category.values)
        text = 0 if self.text is None else len(self.text.components)
        return self.vote_dimensions + len(self.numeric.names) + len(self.cyclic.names) + categories + text

    def forest_input(self, table: pa.Table) -> Floats:
        """What the trees see: scaled numbers, points on the circles, one-hot categories."""
        return np.hstack(
            [
                self.numeric.scaled(table),
                np.nan_to_num(numbers(table, self.cyclic.names)).astype(np.float32),
                self.category.transform(table),
            ]
        )

    def blocks(self, table: pa.Table, embed: Embed) -> Blocks:
        """The blocks of each row. Raises MissingEvidenceError if a column is not there."""
        self.schema.require(table)
        evidence = {
            "numeric": self.numeric.transform(table),
            "cyclic": self.cyclic.transform(table),
            "category": self.category.transform(table),
        }
        if self.text is not None:
            evidence["text"] = self.text.transform(table, embed)
        values = self.forest_input(table)
        nothing = np.zeros((table.num_rows, 0), dtype=np.float32)
        votes, odds = (nothing if block is None else block.transform(values) for block in (self.votes, self.odds))
        return Blocks(votes, odds, evidence, self.strangeness.distance(values))

    def distances(self, table: pa.Table) -> Doubles:
        """How strange each row is among good payments, by the evidence alone, (rows,)."""
        return self.strangeness.distance(self.forest_input(table))

    def encode(self, table: pa.Table, embed: Embed) -> Floats:
        """Unit vectors, (rows, dimensions)."""
        return join(self.blocks(table, embed), self.mixture)


def join(blocks: Blocks, mixture: Mixture) -> Floats:
    """Weight the blocks and join them into unit rows."""
    parts = [part * np.float32(BLOCK_WEIGHTS[name]) for name, part in blocks.evidence.items()]
    evidence = unit_rows(np.hstack(parts))
    if blocks.votes.shape[1] == 0:
        return evidence
    boosting = mixture.boosting if blocks.odds.shape[1] else 0.0
    learned = unit_rows(np.hstack([_weighted(unit_rows(blocks.votes), 1 - boosting), _weighted(blocks.odds, boosting)]))
    return np.hstack([_weighted(learned, 1 - mixture.evidence), _weighted(evidence, mixture.evidence)])


def _weighted(part: Floats, share: float) -> Floats:
    return part * np.float32(np.sqrt(share))
