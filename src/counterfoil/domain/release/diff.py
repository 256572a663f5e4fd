"""What differs between two releases, field by field."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from counterfoil.domain.release.release import Release

ABSENT = ""
"""Stands where one of the two releases has no such field."""

_REPEATED_METRICS = ("validation_", "ablation_", "threshold_")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REPEATED_NAMES = re.compile(r"encoder\.\w+\.names")  # each block's; the schema has them all


@dataclass(frozen=True)
class Difference:
    """A field of a release or of its registered metrics, and what it is in each of two releases, as text."""

    field: str
    a: str
    b: str


@dataclass(frozen=True)
class _Array:
    """An array, known by shape and hash."""

    shape: tuple[int, ...]
    digest: str

    def __str__(self) -> str:
        return f"array {'x'.join(map(str, self.shape))} #{self.digest[:8]}"


def differences(
    a: Release, b: Release, metrics_a: Mapping[str, float] = {}, metrics_b: Mapping[str, float] = {}
) -> list[Difference]:
    """Return the fields in which two releases differ, in the order in which they are declared; arrays come last.

    Of lists of names (evidence, notes) each side shows those that the other one does not have. Metrics are
    those of the registry, under `metrics.`, without those that only repeat a field.
    """
    flat_a, flat_b = _flat(a, metrics_a), _flat(b, metrics_b)
    names = [*flat_a, *(name for name in flat_b if name not in flat_a)]
    names.sort(key=lambda name: isinstance(flat_a.get(name, flat_b.get(name)), _Array))
    return [
        Difference(name, *_shown(flat_a.get(name), flat_b.get(name)))
        for name in names
        if name not in flat_a or name not in flat_b or not _same(flat_a[name], flat_b[name])
    ]


def _flat(release: Release, metrics: Mapping[str, float]) -> dict[str, Any]:
    """All values that are not None, by their path."""
    measured = {name: value for name, value in metrics.items() if not name.startswith(_REPEATED_METRICS)}
    leaves = [*_leaves(release), *_inside(measured, "metrics")]
    return {path: value for path, value in leaves if value is not None and not _REPEATED_NAMES.fullmatch(path)}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in a dataclass under their paths; items that have a name are known by it."""
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value)
        yield path, _Array(value.shape, hashlib.sha256(f"{content.dtype}".encode() + content.tobytes()).hexdigest())
    elif _is_record(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if hasattr(value, "name"):
            yield path, ", ".join(f"{name} {_text(item)}" for name, item in fields.items())
        else:
            yield from _inside(fields, path)
    elif isinstance(value, Mapping):
        yield from _inside(value, path)
    elif isinstance(value, list | tuple) and not all(isinstance(item, str) for item in value):
        yield from _inside({getattr(item, "name", number): item for number, item in enumerate(value)}, path)
    else:
        yield path, value.value if isinstance(value, Enum) else value


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _inside(items: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, item in items.items():
        yield from _leaves(item, f"{path}.{name}".lstrip("."))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _shown(a: Any, b: Any) -> tuple[str, str]:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        only = [tuple(item for item in one if item not in other) for one, other in ((a, b), (b, a))]
        return (_text(only[0]), _text(only[1])) if any(only) else ("the same, in another order", _text(b))
    shown = _text(a), _text(b)
    return shown if shown[0] != shown[1] else (repr(a), repr(b))


def _text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
