"""The encoder: evidence in, unit vectors of at most 512 float32 out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Floats, Labels, unit_rows
from counterfoil.domain.encoding.blocks import CategoryBlock, CyclicBlock, Embed, NumericBlock, TextBlock
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
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
class Blocks:
    """The parts of the vectors before they are weighted and joined; each is (rows, its width)."""

    votes: Floats
    evidence: Mapping[str, Floats]

    def take(self, rows: np.ndarray) -> "Blocks":
        """The same blocks for some of the rows (positions or flags)."""
        return Blocks(self.votes[rows], {name: part[rows] for name, part in self.evidence.items()})

    def without(self, name: str) -> "Blocks":
        """The same blocks with one of them silenced, for ablation."""
        votes = np.zeros_like(self.votes) if name == VOTES else self.votes
        return Blocks(votes, {n: np.zeros_like(p) if n == name else p for n, p in self.evidence.items()})


@dataclass(frozen=True)
class Encoder:
    """Fitted blocks and the share of plain evidence in the vector.

    The vector is `[votes * sqrt(1 - s), evidence * sqrt(s)]` with both parts of length 1, so a cosine is the
    mixture `(1 - s) * cos(votes) + s * cos(evidence)`. Without votes (too few known frauds) s is 1.
    """

    schema: EvidenceSchema
    numeric: NumericBlock
    cyclic: CyclicBlock
    category: CategoryBlock
    text: TextBlock | None
    votes: VoteBlock | None
    strangeness: Strangeness
    evidence_share: float

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        labels: Labels,
        schema: EvidenceSchema,
        *,
        embed: Embed,
        seed: int,
        share: float = 0.2,
        trees: int = TREES,
    ) -> "Encoder":
        """Fit all blocks on the training rows. Raises TrainingError if there is nothing to encode or too much."""
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
            strangeness=Strangeness.fit(np.zeros((1, 0), dtype=np.float32)),
            evidence_share=1.0,
        )
        values = encoder.forest_input(table)
        encoder = replace(encoder, strangeness=Strangeness.fit(values[labels == 0] if (labels == 0).any() else values))
        if MIN_FRAUDS_FOR_VOTES <= int((labels == 1).sum()) < len(labels):
            votes = VoteBlock.fit(values, labels, seed, trees)
            encoder = replace(encoder, votes=votes, evidence_share=share)
        if encoder.dimensions > MAX_DIMENSIONS:
            raise TrainingError(
                f"the vector would have {encoder.dimensions} dimensions, {MAX_DIMENSIONS} is the most:"
                " declare fewer numeric evidence columns in the mapping"
            )
        return encoder

    @property
    def vote_dimensions(self) -> int:
        """Length of the votes' part, which comes first."""
        return 0 if self.votes is None else self.votes.dimensions

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
        if self.votes is None:
            return Blocks(np.zeros((table.num_rows, 0), dtype=np.float32), evidence)
        return Blocks(self.votes.transform(self.forest_input(table)), evidence)

    def distances(self, table: pa.Table) -> Doubles:
        """How strange each row is among good payments, by the evidence alone, (rows,)."""
        return self.strangeness.distance(self.forest_input(table))

    def encode(self, table: pa.Table, embed: Embed) -> Floats:
        """Unit vectors, (rows, dimensions)."""
        return join(self.blocks(table, embed), self.evidence_share)


def join(blocks: Blocks, evidence_share: float) -> Floats:
    """Weight the blocks and join them into unit rows."""
    parts = [part * np.float32(BLOCK_WEIGHTS[name]) for name, part in blocks.evidence.items()]
    evidence = unit_rows(np.hstack(parts))
    if blocks.votes.shape[1] == 0:
        return evidence
    votes = unit_rows(blocks.votes)
    return np.hstack([votes * np.float32(np.sqrt(1 - evidence_share)), evidence * np.float32(np.sqrt(evidence_share))])
