"""Which evidence is left out before anything is fitted, and why.

Pandas is imported where it is used: a release can be read and listed without it.
"""

import numpy as np
import pyarrow as pa

from counterfoil.domain.arrays import Doubles, Labels
from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers, strings

MIN_PRESENT = 0.02
"""A numeric column with a smaller share of values is left out."""
SAME = 0.995
"""Columns whose correlation is at least this say the same thing: the first one stays."""
IDENTITY_PURITY = 0.9
"""A column is an identity when this share of its payments belongs to the main account of their value ..."""
IDENTITY_SPREAD = 0.5
"""... and it has at least this many values per account."""


def select_evidence(table: pa.Table, schema: EvidenceSchema) -> tuple[EvidenceSchema, dict[str, str]]:
    """Return the schema that is worth using, and the reason for each column that was left out.

    Left out are columns without values or with one value, numeric ones that repeat another, and text columns
    that are one-to-one with the account, since they tell who pays, not how.
    """
    reasons = _useless_numbers(numbers(table, schema.numeric), schema.numeric)
    account = strings(table, "account_id")
    for name in dict.fromkeys((*schema.categorical, *schema.textual)):
        reason = _useless_text(strings(table, name), account)
        if reason:
            reasons[name] = reason
    kept = EvidenceSchema(
        numeric=tuple(n for n in schema.numeric if n not in reasons),
        categorical=tuple(n for n in schema.categorical if n not in reasons),
        textual=tuple(n for n in schema.textual if n not in reasons),
        cyclic=schema.cyclic,
    )
    return kept, reasons


def _useless_numbers(values: Doubles, names: tuple[str, ...]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    kept: list[int] = []
    filled = np.empty(values.shape, dtype=np.float32)
    for j, name in enumerate(names):
        present = np.isfinite(values[:, j])
        column = values[present, j]
        if present.mean() < MIN_PRESENT:
            reasons[name] = "no values"
        elif column.std() <= 1e-12 * max(1.0, abs(float(column.mean()))):
            reasons[name] = "one value only"
        else:
            filled[:, j] = 0.0
            filled[present, j] = (column - column.mean()) / column.std()
            twin = next((i for i in kept if abs(_correlation(filled[:, i], filled[:, j])) >= SAME), None)
            if twin is None:
                kept.append(j)
            else:
                reasons[name] = f"repeats {names[twin]}"
    return reasons


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def _useless_text(values: np.ndarray, account: np.ndarray) -> str | None:
    import pandas as pd

    frame = pd.DataFrame({"value": values, "account": account})
    different = frame["value"].nunique()
    if different < 2:
        return "one value only" if different else "no values"
    frame = frame.dropna()
    if frame.empty:
        return None  # without accounts nothing can be said of identities
    per_pair = frame.groupby(["value", "account"]).size()
    purity = per_pair.groupby("value").max().sum() / len(frame)
    accounts = frame["account"].nunique()
    spread = frame["value"].nunique() / accounts
    if accounts >= 10 and purity >= IDENTITY_PURITY and spread >= IDENTITY_SPREAD:
        return f"an identity: {purity:.0%} of its payments belong to the main account of their value"
    return None


def relevance(values: Doubles, labels: Labels) -> Doubles:
    """How well each column alone separates fraud from good: |2 AUC - 1|, at least 0.02.

    Missing values rank in the middle. Ones for all columns while fewer than 10 frauds are known.
    """
    frauds = int((labels == 1).sum())
    if frauds < 10 or frauds == len(labels):
        return np.ones(values.shape[1])
    import pandas as pd

    scores = np.empty(values.shape[1])
    for j in range(values.shape[1]):
        column = np.where(np.isfinite(values[:, j]), values[:, j], np.nanmedian(values[:, j]))
        ranks = pd.Series(column).rank().to_numpy()
        wins = ranks[labels == 1].sum() - frauds * (frauds + 1) / 2
        scores[j] = abs(2 * wins / (frauds * (len(labels) - frauds)) - 1)
    return np.maximum(scores, 0.02)
