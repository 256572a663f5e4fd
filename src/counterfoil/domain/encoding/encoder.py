"""The encoder: evidence in, unit vectors of at most 512 float32 out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Floats, Labels, unit_rows
from counterfoil.domain.encoding.blocks import CategoryBlock, CyclicBlock, Embed, NumericBlock, TextBlock
from counterfoil.domain.encoding.boosting import BinnedEvidence
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
from counterfoil.domain.encoding.odds import BAGGED, ROUNDS, OddsBlock, machines_of
from counterfoil.domain.encoding.selection import relevance
from counterfoil.domain.encoding.strangeness import Strangeness
from counterfoil.domain.encoding.votes import TREES, VoteBlock, forests_of
from counterfoil.errors import TrainingError

MAX_DIMENSIONS = 512
VOTES = "votes"
ODDS = "odds"
BLOCK_WEIGHTS: Mapping[str, float] = {"numeric": 1.0, "cyclic": 1.0, "category": 1.0, "text": 0.3}
"""Weights of the evidence blocks against each other; the numeric and cyclic columns together have length 1."""
MIN_FRAUDS_FOR_VOTES = 10


@dataclass(frozen=True)
class Mixture:
    """How the parts of a vector are weighted.

    `evidence` is the share of plain evidence in a cosine; `odds` is that of the odds in the learned rest, which is the
    forests' otherwise; `machines` names those whose odds they are.
    """

    evidence: float = 0.2
    odds: float = 0.25
    machines: str = BAGGED


ALL_EVIDENCE = Mixture(1.0, 0.0)


@dataclass(frozen=True)
class Blocks:
    """The parts of the vectors before they are weighted and joined; each is (rows, its width).

    `odds` has one part for each set of machines. `distance` (rows,) is how strange each row is among good payments, by
    the evidence alone; it is in no vector.
    """

    votes: Floats
    odds: Mapping[str, Floats]
    evidence: Mapping[str, Floats]
    distance: Doubles

    def take(self, rows: np.ndarray) -> "Blocks":
        """The same blocks for some of the rows (positions or flags)."""
        evidence, odds = ({name: part[rows] for name, part in parts.items()} for parts in (self.evidence, self.odds))
        return Blocks(self.votes[rows], odds, evidence, self.distance[rows])

    def without(self, name: str) -> "Blocks":
        """The same blocks with one of them silenced, for ablation."""
        votes = np.zeros_like(self.votes) if name == VOTES else self.votes
        odds = {n: np.zeros_like(p) if name == ODDS else p for n, p in self.odds.items()}
        evidence = {n: np.zeros_like(p) if n == name else p for n, p in self.evidence.items()}
        return Blocks(votes, odds, evidence, self.distance)


@dataclass(frozen=True)
class Encoder:
    """Fitted blocks and how they are weighted.

    The vector is `[votes * sqrt((1 - s)(1 - b)), odds * sqrt((1 - s) b), evidence * sqrt(s)]` with all three parts of
    length 1, so a cosine is the mixture `(1 - s) ((1 - b) cos(votes) + b cos(odds)) + s cos(evidence)` with
    `s = mixture.evidence` and `b = mixture.odds`. Without votes (too few known frauds) s is 1. `odds` has a block for
    each set of machines: for that of the mixture alone once it is chosen.
    """

    schema: EvidenceSchema
    numeric: NumericBlock
    cyclic: CyclicBlock
    category: CategoryBlock
    text: TextBlock | None
    votes: VoteBlock | None
    odds: dict[str, OddsBlock]
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
        machines: Iterable[str] = (),
        workers: int = 1,
    ) -> "Encoder":
        """Fit all blocks on the training rows; those that the mixture has no use for are left out.

        `trees` is the size of each forest, `rounds` that of each boosting machine. Odds are those of the mixture's
        machines, and of `machines` for other mixtures to choose from. `workers` machines are made at once, each on one
        thread; what comes out does not depend on their number.
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
            text=None,
            votes=None,
            odds={},
            strangeness=Strangeness.fit(np.zeros((1, 0), dtype=np.float32)),
            mixture=ALL_EVIDENCE,
        )
        values = encoder.forest_input(table)
        wanted = list(dict.fromkeys((mixture.machines, *machines)) if mixture.odds else ())
        learnable = MIN_FRAUDS_FOR_VOTES <= int((labels == 1).sum()) < len(labels)
        with _workers(workers) as pool:
            # The text model is loaded while trees grow, which leave the interpreter to it.
            text = pool.submit(TextBlock.fit, table, schema.textual, embed) if schema.textual else None
            learned = _learning(pool, values, labels, seed, wanted, trees, rounds, workers) if learnable else None
            strangeness = Strangeness.fit(values[labels == 0] if (labels == 0).any() else values)
            encoder = replace(encoder, strangeness=strangeness, text=None if text is None else text.result())
            if learned is not None:
                votes, odds = learned()
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
        return sum(0 if block is None else block.dimensions for block in (self.votes, self._chosen_odds))

    @property
    def _chosen_odds(self) -> OddsBlock | None:
        return self.odds.get(self.mixture.machines)

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        categories = sum(len(values) for values in self.category.values)
        text = 0 if self.text is None else len(self.text.components)
        return self.vote_dimensions + len(self.numeric.names) + len(self.cyclic.names) + categories + text

    def forest_input(self, table: pa.Table) -> Floats:
        """What the trees see: scaled numbers, points on the circles, one-hot categories."""
        return _side_by_side(self.numeric.scaled(table), self.cyclic.points(table), self.category.transform(table))

    def texts(self, table: pa.Table, embed: Embed) -> Floats | None:
        """The text block of each row, None if there is none. Its last bits depend on which rows are there together.

        Raises MissingEvidenceError if a column is not there.
        """
        self.schema.require(table)
        return None if self.text is None else self.text.transform(table, embed)

    def blocks(self, table: pa.Table, embed: Embed, labels: Labels | None = None) -> Blocks:
        """The blocks of each row: of a payment that is asked about or, with labels, of one that will be a reference.

        Raises MissingEvidenceError if a column is not there.
        """
        return self.blocks_with(table, self.texts(table, embed), labels)

    def blocks_with(self, table: pa.Table, texts: Floats | None, labels: Labels | None = None) -> Blocks:
        """The same with the rows of `texts`: each is then the same in whichever pieces a table is encoded."""
        scaled, points, categories = (
            self.numeric.scaled(table),
            self.cyclic.points(table),
            self.category.transform(table),
        )
        evidence = {
            "numeric": self.numeric.weighted(scaled),
            "cyclic": self.cyclic.weighted(points),
            "category": categories,
        }
        if texts is not None:
            evidence["text"] = texts
        values = _side_by_side(scaled, points, categories)
        votes = np.zeros((table.num_rows, 0), dtype=np.float32) if self.votes is None else self.votes.transform(values)
        odds = {name: block.transform(values, labels) for name, block in self.odds.items()}
        return Blocks(votes, odds, evidence, self.strangeness.distance(values))

    def encode(self, table: pa.Table, embed: Embed, labels: Labels | None = None) -> Floats:
        """Unit vectors, (rows, dimensions): of payments that are asked about or, with labels, of references."""
        return join(self.blocks(table, embed, labels), self.mixture)


@contextmanager
def _workers(number: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that begins nothing more once its user has failed."""
    with ThreadPoolExecutor(number) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _learning(
    pool: ThreadPoolExecutor,
    values: Floats,
    labels: Labels,
    seed: int,
    machines: Sequence[str],
    trees: int,
    rounds: int,
    workers: int,
) -> Callable[[], tuple[VoteBlock, dict[str, OddsBlock]]]:
    """Begin to make forests and these sets of machines, side by side from evidence binned once; what waits for them."""
    binned = BinnedEvidence(values, labels)
    growing = [pool.submit(grow) for grow in forests_of(binned, values, labels, seed, trees, workers)]
    making = {
        name: [pool.submit(make) for make in machines_of(name, binned, values, labels, seed, rounds)]
        for name in machines
    }

    def made() -> tuple[VoteBlock, dict[str, OddsBlock]]:
        odds = {name: OddsBlock.of([one.result() for one in trio]) for name, trio in making.items()}
        return VoteBlock.fit([grown.result() for grown in growing], values, labels), odds

    return made


def _side_by_side(scaled: Floats, points: Doubles, categories: Floats) -> Floats:
    return np.hstack([scaled, points.astype(np.float32), categories])


def join(blocks: Blocks, mixture: Mixture) -> Floats:
    """Weight the blocks and join them into unit rows."""
    parts = [part * np.float32(BLOCK_WEIGHTS[name]) for name, part in blocks.evidence.items()]
    evidence = unit_rows(np.hstack(parts))
    if blocks.votes.shape[1] == 0:
        return evidence
    odds = blocks.odds.get(mixture.machines)
    learned = unit_rows(blocks.votes)
    if odds is not None:
        learned = unit_rows(np.hstack([_weighted(learned, 1 - mixture.odds), _weighted(odds, mixture.odds)]))
    return np.hstack([_weighted(learned, 1 - mixture.evidence), _weighted(evidence, mixture.evidence)])


def _weighted(part: Floats, share: float) -> Floats:
    return part * np.float32(np.sqrt(share))
