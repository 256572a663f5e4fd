"""The labels that insights read, where more was said of a payment than its own file said, by a walk in plain Python."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import LABELS
from counterfoil.insights.queries import Query, QueryParameters, answer, queries

DELAY = timedelta(days=7)
KNOWN = datetime(2026, 2, 20, tzinfo=UTC)
EVERY = Query("every", "", "SELECT transaction_id, label, known_at FROM known_payments")
ASKED = QueryParameters(date(2026, 1, 1), date(2026, 4, 1), KNOWN)


def _said(payments: pd.DataFrame) -> list[dict[str, Any]]:
    """Three words on average of every third payment: agreeing, contradicting, taken back, some with no time told."""
    rng = np.random.default_rng(8)
    rows = []
    for name, when in payments[["transaction_id", "event_time"]].iloc[::3].itertuples(index=False):
        for _ in range(rng.integers(1, 6)):
            said_at = when + timedelta(seconds=int(rng.integers(0, 40 * 86_400)))
            told = None if rng.random() < 0.5 else said_at - timedelta(days=int(rng.integers(0, 5)))
            rows.append({
                "transaction_id": name, "label": [0, 1, None][rng.integers(3)], "label_time": told,
                "said_at": None if rng.random() < 0.1 else said_at, "said_by": "analyst", "sequence": len(rows) + 1,
            })  # fmt: skip
    return rows


def _known(payment: Any, said: list[dict[str, Any]]) -> tuple[int | None, datetime | None]:
    """The last word that differs from the word before it and counts by then."""
    words = [] if pd.isna(payment.label) else [(None, int(payment.label), payment.label_time)]
    with_file = [word for word in said if word["said_at"] is None]
    later = sorted((word for word in said if word["said_at"] is not None), key=lambda word: word["said_at"])
    words += [(word["said_at"], word["label"], word["label_time"]) for word in [*with_file, *later]]
    before, last = None, (None, None)
    for said_at, label, told in words:
        if label == before:
            continue
        moment = payment.event_time if said_at is None else said_at
        moment = moment if told is None or pd.isna(told) else told
        if said_at is not None and before is not None:
            moment = max(moment, said_at)
        moment, before = max(moment, payment.event_time + DELAY), label
        if moment <= KNOWN:
            last = (label, None if label is None else moment)
    return last


@pytest.mark.slow
def test_the_last_word_that_is_known_counts(
    make_lake: Callable[..., FolderTables], payments: pd.DataFrame, tmp_path: Path
) -> None:
    some = payments.iloc[::8].assign(label_time=lambda frame: frame["label_time"].astype(object))
    tables = make_lake(tmp_path, payments.iloc[::8], without=("scores", "source_ips", "rejected"))
    said = _said(some)
    pq.write_table(pa.Table.from_pylist(said, schema=LABELS), tables.stage("labels", "run") / "part-0.parquet")
    tables.publish("labels", "run")
    found = {row["transaction_id"]: (row["label"], row["known_at"]) for row in answer(tables, EVERY, ASKED).to_pylist()}
    changed = 0
    for payment in some.itertuples():
        label, known_at = _known(payment, [w for w in said if w["transaction_id"] == payment.transaction_id])
        plain = None if known_at is None else known_at.replace(tzinfo=None)
        assert found[payment.transaction_id] == (label, plain), payment.transaction_id
        changed += label != (None if pd.isna(payment.label) else payment.label)
    assert len(found) == len(some)
    assert changed > 20


def test_questions_of_labels_read_what_was_said_on_athena_too() -> None:
    asking = [found for found in queries().values() if "known_until" in found.parameters]
    assert len(asking) > 10
    for found in asking:
        assert "labels" in found.tables
        assert "FROM labels" in found.athena()
