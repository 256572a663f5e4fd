"""Two releases field by field: whatever differs is a row, and nothing else is."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.release.diff import Difference, differences
from counterfoil.domain.release.release import Release
from counterfoil.domain.training.training import Fitted


@pytest.fixture(scope="module")
def release(fitted: Fitted, release_of: Callable[[Fitted], Release]) -> Release:
    return release_of(fitted)


def test_a_release_does_not_differ_from_itself(release: Release) -> None:
    assert differences(release, release, {"auc": 0.9}, {"auc": 0.9}) == []
    nan = replace(release, validation={"average_precision": float("nan")})
    assert differences(nan, replace(nan, validation={"average_precision": float("nan")})) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"trained_until": None}, Difference("trained_until", "2024-02-01T00:00:00+00:00", "")),
        ({"neighbours": 99}, Difference("neighbours", "{neighbours}", "99")),
        ({"label_delay_days": 7.0000001}, Difference("label_delay_days", "7.0", "7.0000001")),
        ({"text_weights_hash": "12345678" * 8}, Difference("text_weights_hash", "000000000000", "123456781234")),
        ({"notes": ("few frauds", "odd")}, Difference("notes", "", "few frauds, odd")),
        ({"left_out": {"odd": "constant"}}, Difference("left_out.odd", "", "constant")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_changed_field_is_one_row(release: Release, changed: dict[str, Any], expected: Difference) -> None:
    plain = replace(release, notes=(), left_out={})
    found = differences(plain, replace(plain, **changed))
    assert found == [replace(expected, a=expected.a.format(neighbours=release.neighbours))]


def test_every_field_of_a_release_counts(release: Release) -> None:
    for field in fields(Release):
        found = differences(release, replace(release, **{field.name: "something else"}))
        assert found, field.name
        assert {row.field.partition(".")[0] for row in found} == {field.name}


def test_evidence_that_was_added_or_removed_is_named(release: Release) -> None:
    schema = EvidenceSchema(("amount", "n0", "n9"), (), ("merchant_id", "category"))
    changed = replace(release, encoder=replace(release.encoder, schema=schema))
    assert differences(release, changed) == [
        Difference("encoder.schema.numeric", "n1, n2", "n9"), Difference("encoder.schema.categorical", "category", ""),
    ]  # fmt: skip
    turned = replace(release.encoder.schema, textual=release.encoder.schema.textual[::-1])
    (row,) = differences(release, replace(release, encoder=replace(release.encoder, schema=turned)))
    assert (row.field, row.a) == ("encoder.schema.textual", "the same, in another order")


def test_a_feature_is_known_by_its_name(release: Release) -> None:
    fewer = replace(release, specs=tuple(s for s in release.specs if s.name != "account_count_1d"))
    assert differences(fewer, release) == [
        Difference("specs.account_count_1d", "", "entity account, aggregate count, hours 24")
    ]


def test_arrays_are_told_by_shape_and_hash_and_come_last(release: Release) -> None:
    numeric = release.encoder.numeric
    mean = numeric.mean.copy()
    mean[0] = np.nextafter(mean[0], np.inf)
    encoder = replace(
        release.encoder, numeric=replace(numeric, mean=mean), mixture=replace(release.encoder.mixture, evidence=0.75)
    )
    rows = differences(release, replace(release, encoder=encoder, neighbours=99))
    assert [row.field for row in rows] == ["encoder.mixture.evidence", "neighbours", "encoder.numeric.mean"]
    assert rows[-1].a.startswith(f"array {len(mean)} #")
    assert rows[-1].a != rows[-1].b


def test_a_part_that_one_has_not_is_shown(release: Release) -> None:
    bare = replace(release, encoder=replace(release.encoder, text=None))
    rows = differences(release, bare)
    assert [row.field for row in rows] == ["encoder.text.mean", "encoder.text.components"]
    assert {row.b for row in rows} == {""}


def test_metrics_of_the_registry(release: Release) -> None:
    one = {"auc": 0.9, "only_a": 1.0, "same": 2.0, "validation_average_precision": 0.5}
    found = differences(release, release, one, {"auc": 0.95, "same": 2.0, "threshold_review": 0.5})
    assert found == [Difference("metrics.auc", "0.9", "0.95"), Difference("metrics.only_a", "1", "")]
