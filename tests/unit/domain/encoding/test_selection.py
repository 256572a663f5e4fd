"""Evidence that cannot help or that tells who pays is left out, with its reason; the rest stays."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.encoding.selection import relevance, select_evidence

ROWS = 1000
ACCOUNTS = 50


def selected(kind: str = "numeric", **columns: Any) -> tuple[EvidenceSchema, dict[str, str]]:
    rng = np.random.default_rng(0)
    table = pa.table({"account_id": [f"a{n}" for n in rng.integers(ACCOUNTS, size=ROWS)], **columns})
    names = tuple(columns)
    schema = EvidenceSchema(names) if kind == "numeric" else EvidenceSchema((), **{kind: names})
    return select_evidence(table, schema)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=ROWS)


class TestNumbers:
    def test_useful_columns_stay_in_their_order(self) -> None:
        schema, reasons = selected(b=noise(1), a=noise(2), c=noise(1) + noise(3))
        assert (schema.numeric, reasons) == (("b", "a", "c"), {})

    @pytest.mark.parametrize(
        ("column", "reason"),
        [
            (pa.nulls(ROWS, pa.float64()), "no values"),
            (pa.array([1.0, 2.0, *[None] * (ROWS - 2)]), "no values"),
            (np.full(ROWS, 7.5), "one value only"),
            (pa.array([7.5, None] * (ROWS // 2)), "one value only"),
            (np.full(ROWS, 0.1), "one value only"),
            (noise(1) * 2 + 3, "repeats kept"),
            (-noise(1), "repeats kept"),
            (noise(1) + 0.01 * noise(2), "repeats kept"),
        ],
    )
    def test_useless_columns_go(self, column: Any, reason: str) -> None:
        schema, reasons = selected(kept=noise(1), x=column)
        assert (schema.numeric, reasons) == (("kept",), {"x": reason})

    def test_a_rare_value_is_a_value(self) -> None:
        schema, reasons = selected(x=pa.array([1.0, 2.0] * 15 + [None] * (ROWS - 30)))
        assert (schema.numeric, reasons) == (("x",), {})


def accounts() -> np.ndarray:
    return np.random.default_rng(0).integers(ACCOUNTS, size=ROWS)


@pytest.mark.parametrize("kind", ["categorical", "textual"])
class TestText:
    def test_a_category_and_a_merchant_stay(self, kind: str) -> None:
        rng = np.random.default_rng(1)
        schema, reasons = selected(
            kind,
            category=[f"c{n}" for n in rng.integers(12, size=ROWS)],
            merchant=[f"m{n}" for n in rng.integers(300, size=ROWS)],
        )
        assert (getattr(schema, kind), reasons) == (("category", "merchant"), {})

    def test_what_is_one_to_one_with_the_account_goes(self, kind: str) -> None:
        email = [f"user{n}@example.org" for n in accounts()]
        schema, reasons = selected(kind, email=email)
        assert getattr(schema, kind) == ()
        assert reasons == {"email": "an identity: 100% of its payments belong to the main account of their value"}

    def test_an_identity_that_is_sometimes_shared_goes_all_the_same(self, kind: str) -> None:
        shared = np.where(np.arange(ROWS) % 20 == 0, "shared", np.char.add("user", accounts().astype(str)))
        assert "an identity: 9" in selected(kind, phone=shared.tolist())[1]["phone"]

    def test_a_trait_of_the_account_with_few_values_stays(self, kind: str) -> None:
        """A card's kind hangs on the account but does not say which account it is."""
        assert selected(kind, product=[f"p{n % 5}" for n in accounts()])[1] == {}

    def test_a_column_without_values_or_with_one_goes(self, kind: str) -> None:
        assert selected(kind, x=pa.nulls(ROWS, pa.string()))[1] == {"x": "no values"}
        assert selected(kind, x=["card"] * ROWS)[1] == {"x": "one value only"}
        assert selected(kind, x=pa.array(["card", None] * (ROWS // 2)))[1] == {"x": "one value only"}

    def test_without_accounts_nothing_is_an_identity(self, kind: str) -> None:
        table = pa.table({"account_id": pa.nulls(ROWS, pa.string()), "x": [f"u{n}" for n in range(ROWS)]})
        schema = EvidenceSchema((), **{kind: ("x",)})
        assert select_evidence(table, schema) == (schema, {})


def test_relevance_is_how_well_a_column_separates() -> None:
    labels = (np.arange(ROWS) % 10 == 0).astype(np.int8)
    values = np.column_stack([labels, -labels.astype(float), noise(1), np.where(labels == 1, np.nan, noise(2))])
    found = relevance(values, labels)
    assert found[:2] == pytest.approx([1.0, 1.0])
    assert (found[2:] < 0.15).all()
    assert (found >= 0.02).all()


@pytest.mark.parametrize("frauds", [0, 9, ROWS])
def test_with_too_few_of_a_kind_all_columns_weigh_the_same(frauds: int) -> None:
    labels = (np.arange(ROWS) < frauds).astype(np.int8)
    assert relevance(noise(1)[:, None].repeat(3, axis=1), labels).tolist() == [1, 1, 1]
