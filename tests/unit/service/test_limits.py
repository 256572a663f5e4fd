"""JSON without surprises."""

import json
from typing import Any

import pytest

from counterfoil.service.limits import MOST_DEPTH, require_plain_json
from counterfoil.service.problems import ProblemError


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("value", [{}, [], 1, "x", None, {"a": [{"b": {"c": "é"}}]}, "\U0001f600", 1e300, [[[]]]])
def test_plain_json_passes(value: Any) -> None:
    require_plain_json(json.dumps(value).encode())
    require_plain_json(json.dumps(value, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"NaN", b"[Infinity]", b'{"a": -Infinity}', b'{"a": 1, "a": 1}', b'[{"a": {"b": 1, "b": 2}}]',
        b'"\\u0000"', b'{"\\u0000": 1}', b'["\\udc00"]', b"\xff", b"{", b"'a'", b"", b"9" * 5000, nested(10**5),
    ],
)  # fmt: skip
def test_what_readers_take_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError) as refused:
        require_plain_json(body)
    assert refused.value.status == 400


def test_depth_is_limited() -> None:
    require_plain_json(nested(MOST_DEPTH))
    with pytest.raises(ProblemError, match="levels"):
        require_plain_json(nested(MOST_DEPTH + 1))
