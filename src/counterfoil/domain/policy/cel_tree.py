"""Conditions as trees: parsed and type-checked by CEL's own checker, read from what it writes.

CEL (https://cel.dev) has no loops of its own, no side effects and no names but those that are declared. Of the packages
that Python has, `cel-expr-python` is the one that Google keeps (the C++ runtime, released in 2026): it checks types
before a payment comes, says the line and column of each mistake, and hands out the checked tree, from which the same
condition is written as SQL. `common-expression-language` (Rust) finds a wrong type only while it runs and has no tree;
`cel-python` is pure Python, which takes too long for 200 rules a payment.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from counterfoil.errors import UsageError

LONGEST = 4_000
"""Characters of a condition: no person reads a longer one, and no parser should."""
MOST_NODES = 400
"""Parts of a condition. Each is looked at once a payment at most, so this bounds the time that a rule takes."""


class Kind(StrEnum):
    """The types that conditions know."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth"


class ConditionError(UsageError):
    """A condition cannot be used; says the place in it and why."""


@dataclass(frozen=True)
class Node:
    """A part of a condition: `op` is CEL's name of an operator or function, or name, value, list.

    `at` is where it stands in the text, counted from 0. `value` is a literal or, of a name, the name.
    """

    op: str
    kind: Kind | None
    at: int
    parts: tuple["Node", ...] = ()
    value: str | float | bool | None = None


class _Checker(Protocol):
    def compile(self, expression: str) -> Any: ...


_CEL_TYPES = {Kind.NUMBER: cel.Type.DOUBLE, Kind.TEXT: cel.Type.STRING, Kind.TRUTH: cel.Type.BOOL}
_PRIMITIVES = {1: Kind.TRUTH, 4: Kind.NUMBER, 5: Kind.TEXT}  # cel.expr.Type.PrimitiveType
KNOWN = "known"


def checker(fields: Mapping[str, Kind]) -> _Checker:
    """What parses and checks conditions over these fields. `known(field)` asks whether a payment has it."""
    overloads = [
        cel.Overload(f"known_{kind}", return_type=cel.Type.BOOL, parameters=[_CEL_TYPES[kind]])
        for kind in (Kind.NUMBER, Kind.TEXT)
    ]
    environment: _Checker = cel.NewEnv(
        variables={name: _CEL_TYPES[kind] for name, kind in fields.items()},
        functions=[cel.FunctionDecl(KNOWN, overloads)],
    )
    return environment


def place(text: str, at: int) -> str:
    """A place in a text, in words: lines and columns count from 1."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - before.rfind(chr(10))}"


def parse(text: str, check: _Checker) -> Node:
    """The tree of a condition. Raises ConditionError with place and reason."""
    if len(text) > LONGEST:
        raise ConditionError(f"the condition has {len(text):,} characters, {LONGEST:,} at most: make two rules of it")
    try:
        checked = check.compile(text)
    except (RuntimeError, ValueError) as error:
        raise ConditionError(_in_words(str(error))) from None
    return _Reader.of(text, checked.serialize()).condition()


def _in_words(message: str) -> str:
    """The first of CEL's messages with its place: 'ERROR: <input>:1:8: found no ...' and what surrounds it."""
    first = message.partition("\n")[0]
    _, found, rest = first.partition("<input>:")
    if not found:
        if "recursion limit" in first:
            return "the condition is nested too deeply: make two rules of it"
        return first.partition(": ")[2] or first
    line, column, reason = (part.strip() for part in rest.split(":", 2))
    reason = reason.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]").partition(" expecting {")[0]
    hint = " (a number has a decimal point: 5.0, not 5)" if "int)" in reason or ", int" in reason else ""
    if reason.endswith("mismatched input '<EOF>'"):
        reason = "the condition ends here, and something is missing"
    if reason.startswith("undeclared reference to"):
        name = reason.split("'")[1]
        reason = f"{name!r} is no evidence, field or function that rules know"
    return f"line {line}, column {column}: {reason}{hint}"


@dataclass
class _Reader:
    """Makes a tree of one checked expression; counts its parts."""

    text: str
    root: Any
    kinds: Mapping[int, Kind | None]
    places: Mapping[int, int]
    count: int = 0

    @classmethod
    def of(cls, text: str, serialised: bytes) -> "_Reader":
        checked = _read(serialised)
        kinds = {entry.key: _PRIMITIVES.get(entry.value.primitive) for entry in checked.type_map}
        places = {entry.key: entry.value for entry in checked.source_info.positions}
        return cls(text, checked.expr, kinds, places)

    def condition(self) -> Node:
        if self.kinds.get(self.root.id) is not Kind.TRUTH:
            raise ConditionError(
                "line 1, column 1: a condition is true or false, this is a value: compare it to something"
            )
        return self._node(self.root)

    def _node(self, expr: Any) -> Node:
        self.count += 1
        at, kind = self.places.get(expr.id, 0), self.kinds.get(expr.id)
        if self.count > MOST_NODES:
            raise ConditionError(
                f"{place(self.text, at)}: the condition takes too long, it has more than {MOST_NODES} parts: "
                "make two rules of it"
            )
        which = expr.WhichOneof("expr_kind")
        if which == "ident_expr":
            return Node("name", kind, at, value=expr.ident_expr.name)
        if which == "const_expr":
            return _constant(expr.const_expr, at, self.text)
        if which == "list_expr":
            return Node("list", None, at, tuple(map(self._node, expr.list_expr.elements)))
        if which == "call_expr":
            called = expr.call_expr
            given = [called.target] if called.HasField("target") else []
            return Node(called.function, kind, at, tuple(map(self._node, [*given, *called.args])))
        raise ConditionError(
            f"{place(self.text, at)}: rules have no loops, fields of fields or messages: compare plain fields"
        )


def _constant(constant: Any, at: int, text: str) -> Node:
    which = constant.WhichOneof("constant_kind")
    if which == "double_value" and not math.isfinite(constant.double_value):
        raise ConditionError(f"{place(text, at)}: this number is too large")
    if which == "double_value":
        return Node("value", Kind.NUMBER, at, value=constant.double_value)
    if which == "string_value":
        if not constant.string_value.isprintable():
            raise ConditionError(f"{place(text, at)}: this text holds a character that cannot be printed: leave it out")
        return Node("value", Kind.TEXT, at, value=constant.string_value)
    if which == "bool_value":
        return Node("value", Kind.TRUTH, at, value=constant.bool_value)
    hint = "write 5.0, not 5" if which in ("int64_value", "uint64_value") else "ask known(field) for a missing value"
    raise ConditionError(f"{place(text, at)}: a value is a number with a decimal point, a text, true or false: {hint}")


def _read(serialised: bytes) -> Any:
    """The checked expression, out of the protobuf Any in which the runtime serialises it."""
    messages = _messages()
    envelope = messages["Envelope"]()
    envelope.ParseFromString(serialised)
    checked = messages["CheckedExpr"]()
    checked.ParseFromString(envelope.value)
    return checked


_INT64, _BOOL, _STRING, _BYTES, _DOUBLE, _INT32, _UINT64, _MESSAGE = 3, 8, 9, 12, 1, 5, 4, 11  # FieldDescriptorProto

_SHAPES: dict[str, tuple[tuple[str, int, int | str, str], ...]] = {
    "Envelope": (("value", 2, _BYTES, ""),),
    "CheckedExpr": (("type_map", 3, "TypeEntry", "repeated"), ("source_info", 5, "SourceInfo", ""),
                    ("expr", 4, "Expr", "")),
    "TypeEntry": (("key", 1, _INT64, ""), ("value", 2, "Type", "")),
    "Type": (("primitive", 3, _INT32, ""),),
    "SourceInfo": (("positions", 4, "Position", "repeated"),),
    "Position": (("key", 1, _INT64, ""), ("value", 2, _INT32, "")),
    "Expr": (("id", 2, _INT64, ""), ("const_expr", 3, "Constant", "expr_kind"), ("ident_expr", 4, "Ident", "expr_kind"),
             ("call_expr", 6, "Call", "expr_kind"), ("list_expr", 7, "List", "expr_kind")),
    "Constant": (("bool_value", 2, _BOOL, "constant_kind"), ("int64_value", 3, _INT64, "constant_kind"),
                 ("uint64_value", 4, _UINT64, "constant_kind"), ("double_value", 5, _DOUBLE, "constant_kind"),
                 ("string_value", 6, _STRING, "constant_kind")),
    "Ident": (("name", 1, _STRING, ""),),
    "Call": (("target", 1, "Expr", ""), ("function", 2, _STRING, ""), ("args", 3, "Expr", "repeated")),
    "List": (("elements", 1, "Expr", "repeated"),),
}  # fmt: skip
"""The part of cel/expr/checked.proto and syntax.proto that conditions need: field, number, type, repeated or oneof.

No package on the index has these messages; other fields are skipped, as protobuf does with what it does not know.
"""


@cache
def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="counterfoil.cel", syntax="proto3")
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, how in fields:
            field = message.field.add(name=field_name, number=number, label=3 if how == "repeated" else 1)
            if isinstance(kind, str):
                field.type, field.type_name = _MESSAGE, f".counterfoil.cel.{kind}"
            else:
                field.type = kind
            if how not in ("", "repeated"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name=how)
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"counterfoil.cel.{name}")) for name in _SHAPES
    }
