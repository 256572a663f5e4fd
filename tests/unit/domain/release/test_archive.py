"""Dataclasses survive as JSON and arrays."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from counterfoil.domain.features.spec import Aggregate, Entity, FeatureSpec, OwnEntity
from counterfoil.domain.release.archive import pack, unpack


class Kind(StrEnum):
    ONE = "one"
    TWO = "two"


@dataclass(frozen=True)
class Inner:
    values: np.ndarray
    kind: Kind


@dataclass(frozen=True)
class Outer:
    name: str
    number: float
    flag: bool
    nothing: str | None
    inner: Inner
    maybe: Inner | None
    several: tuple[Inner, ...]
    nested: tuple[tuple[str, ...], ...]
    by_name: dict[str, float]


ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), hnp.array_shapes(max_dims=2, min_side=0)
)
INNERS = st.builds(Inner, ARRAYS, st.sampled_from(Kind))
OUTERS = st.builds(
    Outer,
    name=st.text(),
    number=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    nothing=st.none() | st.text(),
    inner=INNERS,
    maybe=st.none() | INNERS,
    several=st.lists(INNERS, max_size=3).map(tuple),
    nested=st.lists(st.lists(st.text(), max_size=3).map(tuple), max_size=3).map(tuple),
    by_name=st.dictionaries(st.text("ab.", max_size=3), st.floats(0, 1), max_size=3),
)


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            assert_same(getattr(one, name), getattr(other, name))
    else:
        assert one == other


@pytest.mark.slow
@given(OUTERS)
def test_it_comes_back_through_json(outer: Outer) -> None:
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(pack(outer, arrays), allow_nan=False)
    assert_same(unpack(Outer, json.loads(text), arrays), outer)


def test_arrays_are_named_by_their_path() -> None:
    inner = Inner(np.zeros(2), Kind.ONE)
    arrays: dict[str, np.ndarray] = {}
    pack(Outer("n", 1.0, True, None, inner, None, (inner, inner), (), {}), arrays)
    assert sorted(arrays) == ["inner.values", "several.0.values", "several.1.values"]


@pytest.mark.parametrize("error", [TypeError, KeyError])
def test_what_is_no_such_value_is_refused(error: type[Exception]) -> None:
    data: dict[str, Any] = {"values": {"$array": "gone"}, "kind": "one"} if error is KeyError else {"kind": "one"}
    with pytest.raises(error):
        unpack(Inner, data, {})


def test_of_several_kinds_an_object_is_that_of_a_dataclass() -> None:
    own = FeatureSpec(OwnEntity("place", ("location",)), Aggregate.COUNT, 24)
    for spec in (own, FeatureSpec(Entity.ACCOUNT, Aggregate.COUNT, 24)):
        assert unpack(FeatureSpec, json.loads(json.dumps(pack(spec, {}))), {}) == spec
