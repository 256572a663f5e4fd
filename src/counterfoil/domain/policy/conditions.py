"""Conditions that a payment meets, does not meet, or may meet: written as SQL for a batch, and as CEL for one payment.

What a payment lacks is unknown. A comparison with something unknown is unknown, and so is a number that is not finite,
such as one divided by zero; `&&`, `||` and `!` go on as in SQL: a rule speaks only where its condition is surely true.
The CEL that is evaluated therefore never fails: it asks first whether all that it reads is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from counterfoil.domain.policy.cel_tree import KNOWN, ConditionError, Kind, Node, place

SURE = "k_"
"""Before a field's name: whether the payment has it, in the CEL that is evaluated."""
_GREATEST = "1.7976931348623157e308"
DEEPEST = 5
"""Calculations and choices within one another: each level may double what is evaluated."""

_COMPARED = {"_==_": "=", "_!=_": "<>", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_ARITHMETIC = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/"}
_OF_TEXTS = {"startsWith": "starts_with", "endsWith": "suffix", "contains": "contains"}
_LOGIC = {"_&&_": ("AND", "&&"), "_||_": ("OR", "||")}
_IN, _CHOICE, _NOT, _MINUS = "@in", "_?_:_", "!_", "-_"


@dataclass(frozen=True)
class Condition:
    """A checked condition. `fields` are the names that it reads."""

    text: str
    tree: Node
    fields: frozenset[str]

    @property
    def sql(self) -> str:
        """The condition over columns of these names: true, false, or null where it is unknown."""
        return _sql(self.tree)

    @property
    def cel(self) -> str:
        """True where the condition is surely true, else false; reads each field and whether it is known."""
        return _surely(self.tree, True)


def condition_of(text: str, tree: Node) -> Condition:
    """Check that a tree holds only what can be written as SQL too. Raises ConditionError with place and reason."""
    for node in _walk(tree):
        _require_allowed(node, text)
    _require_flat(tree, text, DEEPEST)
    fields = frozenset(str(node.value) for node in _walk(tree) if node.op == "name")
    if not fields:
        raise ConditionError("line 1, column 1: the condition reads no field: it would hold for all payments or none")
    return Condition(text, tree, fields)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _walk(part)


def _require_flat(node: Node, text: str, left: int) -> None:
    """Refuse calculations within calculations within ... that would take too long."""
    left -= node.op in _ARITHMETIC or node.op == _CHOICE
    if left < 0:
        raise ConditionError(
            f"{place(text, node.at)}: the condition takes too long, more than {DEEPEST} calculations or choices are "
            "within one another: make two rules of it"
        )
    for part in node.parts:
        _require_flat(part, text, left)


def _require_allowed(node: Node, text: str) -> None:
    """Refuse what the two ways of evaluating could see differently, and what can never be true."""
    kinds = {part.kind for part in node.parts}
    ordered = node.op in ("_<_", "_<=_", "_>_", "_>=_")
    known = ("name", "value", "list", _IN, _CHOICE, _NOT, _MINUS, KNOWN, *_COMPARED, *_ARITHMETIC, *_OF_TEXTS, *_LOGIC)
    wrong: str | None = None
    if node.op not in known:
        wrong = f"rules know no {node.op.strip('_@')!r}: they compare, calculate and combine ({_WORDS})"
    elif node.op in _COMPARED and Kind.TRUTH in kinds:
        wrong = "two truths are compared: combine them with &&, || and !"
    elif ordered and Kind.TEXT in kinds:
        wrong = "texts have no order here: compare them with == or !=, or ask startsWith, endsWith, contains"
    elif node.op in _ARITHMETIC and kinds != {Kind.NUMBER}:
        wrong = "only numbers can be calculated with"
    elif node.op == "_/_" and _written_out(node.parts[1]) == 0:
        wrong = "this divides by zero"
    elif node.op == KNOWN and node.parts[0].op != "name":
        wrong = "known(...) asks for a field by its name"
    elif node.op == _IN and (node.parts[1].op != "list" or any(p.op != "value" for p in node.parts[1].parts)):
        wrong = "'in' takes a list of values: merchant_id in ['a', 'b']"
    elif node.op in _OF_TEXTS and node.parts[1].op != "value":
        wrong = f"{node.op} takes a text in quotes"
    if wrong is not None:
        raise ConditionError(f"{place(text, node.at)}: {wrong}")


def _written_out(node: Node) -> float | None:
    """The number that numbers written out come to; None where a field is read, or it is none."""
    if node.op == "value":
        return float(node.value) if isinstance(node.value, float) else None
    parts = [_written_out(part) for part in node.parts] if node.op in (*_ARITHMETIC, _MINUS) else [None]
    if any(part is None for part in parts):
        return None
    numbers = [part for part in parts if part is not None]
    if node.op == _MINUS:
        return -numbers[0]
    first, second = numbers
    if node.op == "_/_":
        return first / second if second else None
    return {"_+_": first + second, "_-_": first - second, "_*_": first * second}[node.op]


_WORDS = "== != < <= > >= in + - * / && || ! ?: startsWith endsWith contains known"


def _sql(node: Node) -> str:
    """A node as DuckDB's SQL."""
    if node.op == "name":
        return f'"{node.value}"'
    if node.op == "value":
        return _sql_value(node)
    if node.op == "list":
        return ", ".join(map(_sql, node.parts))
    if node.op == KNOWN:
        return f"({_sql(node.parts[0])} IS NOT NULL)"
    parts = [_sql(part) for part in node.parts]
    if node.op in _LOGIC:
        return f"({parts[0]} {_LOGIC[node.op][0]} {parts[1]})"
    if node.op in _COMPARED:
        return f"({parts[0]} {_COMPARED[node.op]} {parts[1]})"
    if node.op == _NOT:
        return f"(NOT {parts[0]})"
    if node.op == _MINUS:
        return f"(- {parts[0]})"
    if node.op == _IN:
        return f"({parts[0]} IN ({parts[1]}))" if parts[1] else f"({parts[0]} <> {parts[0]})"
    if node.op == _CHOICE:
        return f"(CASE WHEN {parts[0]} THEN {parts[1]} WHEN NOT {parts[0]} THEN {parts[2]} END)"
    if node.op in _OF_TEXTS:
        return f"{_OF_TEXTS[node.op]}({parts[0]}, {parts[1]})"
    result = f"({parts[0]} {_ARITHMETIC[node.op]} {parts[1]})"
    return f"(CASE WHEN isfinite({result}) THEN {result} END)"


def _sql_value(node: Node) -> str:
    if node.kind is Kind.NUMBER:
        return f"'{node.value!r}'::DOUBLE"  # a plain 5.0 would be a DECIMAL
    return "'" + str(node.value).replace("'", "''") + "'" if node.kind is Kind.TEXT else str(node.value).lower()


def _surely(node: Node, wanted: bool) -> str:
    """CEL that is true where a truth surely is as wanted, and false where it is not or is unknown."""
    if node.op == "value":
        return str(node.value is wanted).lower()
    if node.op == _NOT:
        return _surely(node.parts[0], not wanted)
    if node.op in _LOGIC:
        both = (node.op == "_&&_") is wanted  # of a false disjunction both are false, too
        return f"({_surely(node.parts[0], wanted)} {'&&' if both else '||'} {_surely(node.parts[1], wanted)})"
    if node.op == _CHOICE:
        return _chosen(node, lambda part: _surely(part, wanted))
    if node.op == KNOWN:
        return f"{SURE}{node.parts[0].value}" if wanted else f"!{SURE}{node.parts[0].value}"
    asked = " && ".join([*dict.fromkeys(sure for part in node.parts for sure in _known(part)), _asked(node, wanted)])
    return f"({asked})"


def _asked(node: Node, wanted: bool) -> str:
    """A comparison of values that are known."""
    if node.op in _OF_TEXTS:
        truth = f"{_cel(node.parts[0])}.{node.op}({_cel(node.parts[1])})"
    elif node.op == _IN:
        truth = f"({_cel(node.parts[0])} in [{', '.join(map(_cel, node.parts[1].parts))}])"
    else:
        truth = f"({_cel(node.parts[0])} {node.op.strip('_')} {_cel(node.parts[1])})"
    return truth if wanted else f"!{truth}"


def _known(node: Node) -> list[str]:
    """What must be true for a number or text to be known, in the order in which it may be asked."""
    if node.op == "name":
        return [f"{SURE}{node.value}"]
    if node.op == _CHOICE:
        return [_chosen(node, lambda part: f"({' && '.join(_known(part) or ['true'])})")]
    found = list(dict.fromkeys(sure for part in node.parts for sure in _known(part)))
    if node.op in _ARITHMETIC:
        found.append(f"({_cel(node)} <= {_GREATEST} && {_cel(node)} >= -{_GREATEST})")  # false for what is no number
    return found


def _chosen(node: Node, of: Callable[[Node], str]) -> str:
    condition, yes, no = node.parts
    return f"(({_surely(condition, True)} && {of(yes)}) || ({_surely(condition, False)} && {of(no)}))"


def _cel(node: Node) -> str:
    """A number or text as CEL; fields that are unknown have a value of their type there."""
    if node.op == "name":
        return str(node.value)
    if node.op == "value":
        return _cel_value(node)
    if node.op == _CHOICE:
        return f"({_surely(node.parts[0], True)} ? {_cel(node.parts[1])} : {_cel(node.parts[2])})"
    if node.op == _MINUS:
        return f"(-({_cel(node.parts[0])}))"
    return f"({_cel(node.parts[0])} {node.op.strip('_')} {_cel(node.parts[1])})"


def _cel_value(node: Node) -> str:
    if node.kind is Kind.NUMBER:
        text = repr(node.value)
        return text if any(mark in text for mark in ".e") else f"{text}.0"
    return "'" + str(node.value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def neutral(fields: Mapping[str, Kind]) -> dict[str, str | float | bool]:
    """The value that stands for an unknown field, by its name."""
    return {name: 0.0 if kind is Kind.NUMBER else "" for name, kind in fields.items()}
