"""Reasons of a release: contributions of topics, each with the words of its most unusual column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles
from counterfoil.domain.encoding.encoder import Encoder
from counterfoil.domain.features.spec import FeatureSpec
from counterfoil.domain.scoring.reasons import Margins, explain, usual_rows
from counterfoil.domain.scoring.wording import Wording, topic_of


@dataclass(frozen=True)
class Reason:
    """What a topic adds to a payment's margin, and what an analyst reads of it."""

    topic: str
    contribution: float
    words: str


@dataclass(frozen=True)
class Reasons:
    """The margin of each payment at usual values, (rows,), and what leads from there, greatest first."""

    usual_margin: Doubles
    reasons: list[list[Reason]]


class Reasoner:
    """Explains margins of payments with the columns that an encoder uses. `usual` are usual values of its numbers."""

    def __init__(self, encoder: Encoder, specs: Iterable[FeatureSpec], usual: Mapping[str, float]) -> None:
        by_name = {spec.name: spec for spec in specs}
        self._encoder = encoder
        self._usual = usual
        self._wording = Wording(by_name)
        self._topics: dict[str, list[str]] = {}
        for column in encoder.schema.columns:
            self._topics.setdefault(topic_of(column, by_name), []).append(column)

    def reasons(self, rows: pa.Table, margins: Margins) -> Reasons:
        """Explain evidence rows, whose margins `margins` gives."""
        usual = self._usual_rows(rows)
        found = explain(rows, usual, self._topics, margins)
        leading = self._leading(rows, usual)
        values, common = rows.to_pylist(), usual.to_pylist()
        return Reasons(
            found.base,
            [
                self._sorted(found.contributions[row], leading[row], values[row], common[row])
                for row in range(rows.num_rows)
            ],
        )

    def without(self, rows: pa.Table, topic: str) -> pa.Table:
        """The same rows with usual values in all columns of a topic: what would be, had that been as usual."""
        usual = self._usual_rows(rows)
        columns = [(usual if n in self._topics[topic] else rows).column(n) for n in rows.column_names]
        return pa.Table.from_arrays(columns, schema=rows.schema)

    def _usual_rows(self, rows: pa.Table) -> pa.Table:
        schema = self._encoder.schema
        return usual_rows(rows, self._usual, (*schema.cyclic, *schema.categorical, *schema.textual))

    def _sorted(
        self, contributions: Doubles, leading: list[str], row: Mapping[str, Any], usual: Mapping[str, Any]
    ) -> list[Reason]:
        reasons = [
            Reason(topic, float(added), self._wording.of(column, row, usual))
            for topic, added, column in zip(self._topics, contributions, leading, strict=True)
        ]
        return sorted(reasons, key=lambda reason: -reason.contribution)

    def _leading(self, rows: pa.Table, usual: pa.Table) -> list[list[str]]:
        """For each row and topic the column that is furthest from usual, on the encoder's scale; else the first."""
        block = self._encoder.numeric
        apart = np.abs(block.transform(rows) - block.transform(usual))
        place = {name: position for position, name in enumerate(block.names)}
        leading = []
        for columns in self._topics.values():
            numeric = [name for name in columns if name in place]
            if numeric:
                furthest = apart[:, [place[name] for name in numeric]].argmax(axis=1)
                leading.append([numeric[position] for position in furthest])
            else:
                leading.append([columns[0]] * rows.num_rows)
        return [list(row) for row in zip(*leading, strict=True)]
