"""The evidence blocks: each is fitted once in training, and then maps rows to a part of the vector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Flags, Floats, unit_rows
from counterfoil.domain.encoding.evidence import numbers, strings

Embed = Callable[[Sequence[str]], Floats]
"""Texts in, one unit row each out."""

SKEWED = 2.0
"""Columns whose |skewness| exceeds this are read on a signed log scale."""
CLIP = 5.0
"""Scaled values are cut at this many deviations, so that one wild value cannot be the whole vector."""
FAR = 1e9
"""What float32 still holds with room to spare."""
MAX_CATEGORY_DIMENSIONS = 96
MAX_TEXT_DIMENSIONS = 32
SENTENCE_LENGTH = 256


@dataclass(frozen=True)
class NumericBlock:
    """Signed log where skewed, then StandardScaler, then one weight a column."""

    names: tuple[str, ...]
    logged: Flags
    mean: Doubles
    scale: Doubles
    weight: Doubles

    @classmethod
    def fit(cls, values: Doubles, names: tuple[str, ...], weight: Doubles) -> "NumericBlock":
        """Fit on training rows; `values` is (rows, names) with NaN where missing."""
        logged = np.abs(_skewness(values)) > SKEWED
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(_signed_log(values, logged))
        return cls(names, logged, scaler.mean_, scaler.scale_, weight)

    def scaled(self, table: pa.Table) -> Floats:
        """Scaled values as trees see them, before they are cut and weighted; a missing value is 0, the training mean.

        Trees need the far values: the rarest rates of fraud lie many deviations away.
        """
        values = _signed_log(numbers(table, self.names), self.logged)
        return np.clip(np.nan_to_num((values - self.mean) / self.scale, nan=0.0), -FAR, FAR).astype(np.float32)

    def transform(self, table: pa.Table) -> Floats:
        """Rows of the block, (rows, names)."""
        return self.weighted(self.scaled(table))

    def weighted(self, scaled: Floats) -> Floats:
        """Rows of the block, (rows, names), of scaled values."""
        return np.clip(scaled, -CLIP, CLIP) * self.weight.astype(np.float32)


def _signed_log(values: Doubles, logged: Flags) -> Doubles:
    return np.where(logged, np.sign(values) * np.log1p(np.abs(values)), values)


def _skewness(values: Doubles) -> Doubles:
    centred = values - np.nanmean(values, axis=0)
    deviation = np.sqrt(np.nanmean(centred**2, axis=0))
    skew: Doubles = np.nanmean(centred**3, axis=0) / np.maximum(deviation, 1e-12) ** 3
    return skew


@dataclass(frozen=True)
class CyclicBlock:
    """Time of day and week as points on circles, one weight a column."""

    names: tuple[str, ...]
    weight: Doubles

    def points(self, table: pa.Table) -> Doubles:
        """Sines and cosines, (rows, names); a missing value is 0."""
        return np.nan_to_num(numbers(table, self.names))

    def transform(self, table: pa.Table) -> Floats:
        """Rows of the block, (rows, names)."""
        return self.weighted(self.points(table))

    def weighted(self, points: Doubles) -> Floats:
        """Rows of the block, (rows, names), of such points."""
        return (points * self.weight).astype(np.float32)


@dataclass(frozen=True)
class CategoryBlock:
    """One-hot of the commonest training values of each column; other values are all zeros."""

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @classmethod
    def fit(cls, table: pa.Table, names: tuple[str, ...]) -> "CategoryBlock":
        """Keep the commonest values of each column, within the block's share of dimensions."""
        room = MAX_CATEGORY_DIMENSIONS // max(len(names), 1)
        return cls(names, tuple(_commonest(strings(table, name), room) for name in names))

    def transform(self, table: pa.Table) -> Floats:
        """Rows of the block: (rows, sum of the values kept), each column's part of length 1 or 0."""
        parts = [np.zeros((table.num_rows, 0), dtype=np.float32)]
        for name, values in zip(self.names, self.values, strict=True):
            column = strings(table, name)
            parts.append((column[:, None] == np.asarray(values, dtype=object)[None, :]).astype(np.float32))
        scale = np.float32(1 / np.sqrt(max(len(self.names), 1)))
        return np.asarray(np.hstack(parts) * scale, dtype=np.float32)


def _commonest(column: np.ndarray, room: int) -> tuple[str, ...]:
    values, counts = np.unique(column[column != None].astype(str), return_counts=True)  # noqa: E711 elementwise
    order = np.lexsort((values, -counts))[:room]
    return tuple(str(value) for value in values[order])


def sentences(table: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    """One sentence a row from the text columns: `merchant id: Harbour Grocers | category: grocery`.

    Each value stands behind its column's name, so that values of different columns cannot run together.
    Rows without any text are None.
    """
    parts = np.full(table.num_rows, "", dtype=object)
    for name in names:
        column = strings(table, name)
        present = column != None  # noqa: E711 elementwise
        lead = np.where(parts[present] == "", "", " | ")
        label = f"{name.replace('_', ' ')}: "
        parts[present] = parts[present] + lead + label + [v.replace("_", " ") for v in column[present]]
    return np.asarray([p[:SENTENCE_LENGTH] if p else None for p in parts], dtype=object)


@dataclass(frozen=True)
class TextBlock:
    """SentenceTransformer over a sentence a row, reduced by PCA; each distinct sentence is encoded once."""

    names: tuple[str, ...]
    mean: Floats
    components: Floats

    @classmethod
    def fit(cls, table: pa.Table, names: tuple[str, ...], embed: Embed) -> "TextBlock":
        """Fit the reduction on the distinct sentences of the training rows (5,000 at most)."""
        distinct = sorted({s for s in sentences(table, names) if s})[:5000]
        vectors = embed(distinct)
        dimensions = min(MAX_TEXT_DIMENSIONS, len(distinct), vectors.shape[1])
        from sklearn.decomposition import PCA

        pca = PCA(dimensions, svd_solver="full").fit(vectors.astype(np.float64))
        return cls(names, pca.mean_.astype(np.float32), pca.components_.astype(np.float32))

    def transform(self, table: pa.Table, embed: Embed) -> Floats:
        """Rows of the block: unit vectors, zeros where a row has no text."""
        column = sentences(table, self.names)
        result = np.zeros((table.num_rows, len(self.components)), dtype=np.float32)
        present = np.flatnonzero(column != None)  # noqa: E711 elementwise
        if len(present):
            texts = [str(text) for text in column[present]]
            distinct = sorted(set(texts))
            centred = embed(distinct) - self.mean
            reduced = np.asarray(centred @ self.components.T, dtype=np.float32)
            place = {text: position for position, text in enumerate(distinct)}
            result[present] = unit_rows(reduced)[[place[text] for text in texts]]
        return result


def remembering(embed: Embed, most: int = 100_000) -> Embed:
    """Wrap a text encoder so that a sentence is encoded once in its life (the last `most` are kept).

    Threads may share it: one at a time encodes what is new, as a text encoder may not be shared.
    """
    known: dict[str, np.ndarray] = {}
    guard = Lock()

    def remembered(texts: Sequence[str]) -> Floats:
        found = {text: vector for text in texts if (vector := known.get(text)) is not None}
        if len(found) < len(set(texts)):
            with guard:
                new = [text for text in dict.fromkeys(texts) if text not in found and text not in known]
                found |= {text: known[text] for text in texts if text in known}
                found |= dict(zip(new, embed(new), strict=True)) if new else {}
                if len(known) + len(new) > most:
                    known.clear()
                known.update(found)
        return np.stack([found[text] for text in texts]) if texts else embed([])

    return remembered
