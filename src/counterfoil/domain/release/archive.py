"""Dataclasses to JSON and arrays, and back: releases are stored without pickle."""

import dataclasses
import types
import typing
from enum import Enum
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
_ARRAY = "$array"


def pack(value: Any, arrays: dict[str, np.ndarray], path: str = "") -> Any:
    """Return `value` as plain JSON data; arrays are put into `arrays` under their path and referred to."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {f.name: pack(getattr(value, f.name), arrays, f"{path}.{f.name}".strip(".")) for f in fields}
    if isinstance(value, dict):
        return {str(key): pack(item, arrays, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [pack(item, arrays, f"{path}.{index}") for index, item in enumerate(value)]
    return value.value if isinstance(value, Enum) else value


def unpack(kind: type[T], data: Any, arrays: dict[str, np.ndarray]) -> T:
    """Return the value of type `kind` that `pack` was given. Raises KeyError or TypeError if it is not one."""
    return typing.cast(T, _unpack(kind, data, arrays))


def _unpack(kind: Any, data: Any, arrays: dict[str, np.ndarray]) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(data, dict) and _ARRAY in data:
        return arrays[data[_ARRAY]]
    if origin in (types.UnionType, typing.Union):
        there = [argument for argument in arguments if argument is not type(None)]
        objects = (
            [argument for argument in there if dataclasses.is_dataclass(argument)] if isinstance(data, dict) else []
        )
        return None if data is None else _unpack((objects or there)[0], data, arrays)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _unpack(hints[name], item, arrays) for name, item in data.items()})  # type: ignore[operator]
    if origin is tuple:
        return tuple(_unpack(arguments[0], item, arrays) for item in data)
    if origin is dict:
        return {key: _unpack(arguments[1], item, arrays) for key, item in data.items()}
    return kind(data) if isinstance(kind, type) and issubclass(kind, Enum) else data
