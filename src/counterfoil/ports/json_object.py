"""A JSON object as its text: what is written on as it is need not be made and taken apart on the way."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any


class JsonObject(Mapping[str, Any]):
    """A JSON object that is read only when somebody asks for its fields.

    >>> JsonObject(b'{"a": 1}')["a"]
    1
    """

    def __init__(self, text: bytes) -> None:
        self.text = text

    @cached_property
    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.text)
        return fields

    def with_text(self, name: str, value: bytes) -> bytes:
        """The object's text with one more field, whose value is JSON; the object has another field already."""
        return b'%s,"%s":%s}' % (self.text[:-1], name.encode(), value)

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
