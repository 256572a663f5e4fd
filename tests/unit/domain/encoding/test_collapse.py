"""An encoder that cannot tell payments apart is refused, with its figures; the published system's is one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.blocks import CategoryBlock, CyclicBlock, NumericBlock
from counterfoil.domain.encoding.collapse import ALIKE, Spread, refuse_collapse, spread
from counterfoil.domain.encoding.encoder import ALL_EVIDENCE, Blocks, Encoder
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers
from counterfoil.domain.encoding.selection import relevance
from counterfoil.errors import CollapsedEncoderError

Maker = Callable[..., tuple[pa.Table, np.ndarray]]

PARTS = ("year", "month", "day", "hour", "minute", "second")


def published_columns(rows: int) -> pa.Table:
    """What the published system puts into its vector: the parts of two times, as the plain numbers that they are."""
    rng = np.random.default_rng(0)
    start = datetime(2019, 1, 1, tzinfo=UTC)
    times = [start + timedelta(seconds=int(second)) for second in rng.integers(365 * 86_400, size=rows)]
    labelled = [time + timedelta(days=int(days)) for time, days in zip(times, rng.integers(0, 14, rows), strict=True)]
    columns = {f"event_{part}": [float(getattr(time, part)) for time in times] for part in PARTS}
    columns |= {f"label_{part}": [float(getattr(time, part)) for time in labelled] for part in PARTS}
    return pa.table({**columns, "amount": rng.lognormal(3, 1, rows)})


def evidence_alone(parts: dict[str, np.ndarray]) -> Blocks:
    rows = len(parts["numeric"])
    nothing = np.zeros((rows, 0), np.float32)
    return Blocks(nothing, {}, parts, np.zeros(rows))


def unscaled(table: pa.Table) -> Blocks:
    """The columns as they are; the amount alone is scaled, as it is there."""
    names = tuple(table.column_names)
    values = numbers(table, names)
    amount = values[:, -1]
    values[:, -1] = (amount - amount.mean()) / amount.std()
    block = NumericBlock(names, np.zeros(len(names), bool), np.zeros(len(names)), np.ones(len(names)), np.ones(1))
    # Not through `scaled`: cutting at five deviations would already mend the year.
    parts = {"numeric": values.astype(np.float32) * block.weight.astype(np.float32)}
    parts |= {
        "cyclic": CyclicBlock((), np.ones(0)).transform(table),
        "category": CategoryBlock((), ()).transform(table),
    }
    return evidence_alone(parts)


def test_the_published_system_s_encoding_is_refused_with_its_figures() -> None:
    found = spread(unscaled(published_columns(2000)), ALL_EVIDENCE, seed=0)
    assert found.pair_cosine_p10 > 0.999
    with pytest.raises(CollapsedEncoderError, match=r"above 0\.999\d \(median 0\.999\d, the most allowed is 0\.99\)"):
        refuse_collapse(found)


def test_the_same_columns_are_told_apart_when_they_are_scaled() -> None:
    """What is wrong is the constant part, not the columns."""
    table = published_columns(2000).drop_columns(["event_year"])
    names = tuple(table.column_names)
    values = numbers(table, names)
    block = NumericBlock.fit(values, names, relevance(values, np.zeros(2000, np.int8)) / np.sqrt(len(names)))
    blocks = evidence_alone({"numeric": block.transform(table), "cyclic": np.zeros((2000, 0), np.float32)})
    refuse_collapse(spread(blocks, ALL_EVIDENCE, seed=0))


def test_a_block_that_drowns_another_is_refused_with_the_shares() -> None:
    rng = np.random.default_rng(0)
    parts = {
        "numeric": (50 * rng.normal(size=(500, 4))).astype(np.float32), "cyclic": np.zeros((500, 0), np.float32),
        "category": np.eye(5, dtype=np.float32)[rng.integers(5, size=500)],
    }  # fmt: skip
    with pytest.raises(
        CollapsedEncoderError, match=r"'numeric' drowns .* numeric 0\.999\d, category 0\.000\d \(the most"
    ):
        refuse_collapse(spread(evidence_alone(parts), ALL_EVIDENCE, seed=0))


@pytest.mark.parametrize("block", ["numeric", "category", "text"])
def test_any_block_may_be_the_only_one(block: str) -> None:
    refuse_collapse(Spread(0.1, 0.2, {"numeric": 0.0, "category": 0.0, "text": 0.0} | {block: 1.0}))


@pytest.mark.parametrize(("p10", "refused"), [(ALIKE, False), (ALIKE + 1e-6, True)])
def test_the_limit_is_on_what_nine_of_ten_pairs_exceed(p10: float, refused: bool) -> None:
    found = Spread(p10, 0.999, {"numeric": 0.5, "category": 0.5})
    if refused:
        with pytest.raises(CollapsedEncoderError):
            refuse_collapse(found)
    else:
        refuse_collapse(found)


@pytest.mark.slow
def test_a_sane_encoder_passes_and_its_shares_add_up(evidence: Maker, embedder: Any) -> None:
    table, labels = evidence()
    schema = EvidenceSchema(("amount", "n0", "n1", "n2"), ("category",), ("merchant_id",))
    encoder = Encoder.fit(table, labels, schema, embed=embedder.embed, seed=0)
    found = spread(encoder.blocks(table, embedder.embed), encoder.mixture, seed=0)
    refuse_collapse(found)
    assert -1 <= found.pair_cosine_p10 <= found.pair_cosine_median <= ALIKE
    assert sum(found.block_shares.values()) == pytest.approx(1)
    assert found.block_shares.keys() == {"numeric", "category", "text"}
