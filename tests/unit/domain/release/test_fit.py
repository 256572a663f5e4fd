"""What the payments of another mapping lack for a release."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from counterfoil.domain.encoding.evidence import EvidenceSchema
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.domain.release.fit import Fit, fit_of
from counterfoil.domain.release.release import Release
from counterfoil.domain.training.training import Fitted

BARE = '[fields]\nevent_time = "t"\namount = "a"\naccount = "who"\n'


@pytest.fixture(scope="module")
def release(fitted: Fitted, release_of: Callable[[Fitted], Release]) -> Release:
    """A release that uses its mapping's own evidence, behaviour of account and IP, and canonical columns."""
    numeric = ("amount", "age", "account_count_1d", "source_ip_count_1d", "account_category_count_7d")
    schema = EvidenceSchema(numeric, ("browser",), ("merchant_id", "note"))
    found = release_of(fitted)
    return replace(found, encoder=replace(found.encoder, schema=schema))


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            BARE,
            Fit(
                ("age", "browser", "note"),
                ("source_ip_count_1d", "account_category_count_7d", "merchant_id"),
                12,
            ),
        ),
        (
            f'{BARE}source_ip = "ip"\ncategory = "c"\nmerchant = "m"\n'
            '[evidence.numeric]\nage = "years"\n[evidence.categorical]\nbrowser = "b"\n[evidence.textual]\nnote = "n"',
            Fit((), (), 12),
        ),
    ],
    ids=["bare", "whole"],
)
def test_missing_and_empty_evidence(release: Release, mapping: str, expected: Fit) -> None:
    assert fit_of(release, parse_mapping(mapping, "other")) == expected


def test_a_feature_that_the_release_never_builds_is_missing(release: Release) -> None:
    found = fit_of(
        replace(release, specs=tuple(s for s in release.specs if s.name != "account_count_1d")),
        parse_mapping(BARE, "other"),
    )
    assert "account_count_1d" in found.missing
