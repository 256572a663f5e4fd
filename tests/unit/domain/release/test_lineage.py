"""The lineage of a release: equal for equal content, different for any other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.release.lineage import evidence_digest, lineage_of, mapping_digest

Maker = Callable[..., tuple[pa.Table, np.ndarray]]

MAPPING = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\namount = "a"\n', "plain")


@pytest.fixture(scope="module")
def payments(evidence: Maker) -> pa.Table:
    return evidence(rows=40)[0]


def changed(payments: pa.Table, column: str, value: Any) -> pa.Table:
    """The same payments with another value in one place."""
    values = payments.column(column).to_pylist()
    values[3] = value
    field = payments.schema.field(column)
    return payments.set_column(payments.column_names.index(column), field, pa.array(values, field.type))


def test_only_content_counts(payments: pa.Table, schema: EvidenceSchema) -> None:
    digest = evidence_digest(payments, schema)
    chunked = pa.concat_tables([payments.slice(0, 7), payments.slice(7)]).select(payments.column_names[::-1])
    assert evidence_digest(chunked, schema) == digest
    assert evidence_digest(payments.append_column("other", pa.nulls(40)), schema) == digest
    assert evidence_digest(changed(payments, "account_id", "another key's hash"), schema) == digest


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("transaction_id", "x"), ("label", 0), ("amount", None), ("n2", 0.0), ("hour_sin", 0.5),
        ("category", None), ("category", "None"), ("merchant_id", ""),
    ],
)  # fmt: skip
def test_any_other_value_shows(payments: pa.Table, schema: EvidenceSchema, column: str, value: Any) -> None:
    assert payments.column(column)[3].as_py() != value
    assert evidence_digest(changed(payments, column, value), schema) != evidence_digest(payments, schema)


def test_values_do_not_run_into_each_other(payments: pa.Table, schema: EvidenceSchema) -> None:
    digests = set()
    for pair in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None], [None, "abc"]):
        place = payments.column_names.index("category")
        digests.add(evidence_digest(payments.slice(0, 2).set_column(place, "category", pa.array(pair)), schema))
    assert len(digests) == 5


def test_missing_text_and_no_text_differ(payments: pa.Table, schema: EvidenceSchema) -> None:
    empty, missing = (changed(payments, "category", value) for value in ("", None))
    assert evidence_digest(empty, schema) != evidence_digest(missing, schema)


def test_times_and_the_order_of_rows_show(payments: pa.Table, schema: EvidenceSchema) -> None:
    digest = evidence_digest(payments, schema)
    for column in ("event_time", "known_at"):
        assert evidence_digest(changed(payments, column, payments.column(column)[0].as_py()), schema) != digest
    assert evidence_digest(payments.take(np.arange(40)[::-1]), schema) != digest


def test_a_mapping_is_what_it_does() -> None:
    digest = mapping_digest(MAPPING)
    assert mapping_digest(MAPPING.model_copy(update={"description": "other words"})) == digest
    fields = MAPPING.fields.model_copy(update={"amount": "another column"})
    assert mapping_digest(MAPPING.model_copy(update={"fields": fields})) != digest
    time = MAPPING.time.model_copy(update={"zone": "Europe/Berlin"})
    assert mapping_digest(MAPPING.model_copy(update={"time": time})) != digest


def test_the_last_label_is_told_in_utc(payments: pa.Table, schema: EvidenceSchema) -> None:
    last = max(payments.column("known_at").to_pylist())
    found = lineage_of(payments, schema, MAPPING)
    assert found.last_label_known_at == last.isoformat()
    assert found.last_label_known_at.endswith("+00:00")
