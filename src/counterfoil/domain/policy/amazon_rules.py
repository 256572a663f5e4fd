"""Conditions of Amazon Fraud Detector (DETECTORPL) as conditions of ours (CEL)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from counterfoil.errors import UsageError

_TOKEN = re.compile(
    r'\s*(?:(?P<variable>\$\w[\w-]*)|(?P<list>@\w[\w-]*)|(?P<number>\d+(?:\.\d+)?)|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<word>[A-Za-z_]+)|(?P<sign>>=|<=|!=|==|[-+*/%<>!()\[\],]))"
)
_COMPARED = (">", ">=", "<", "<=", "==", "!=")
_IN_ONE_LIST = re.compile(r"\s*\(*\s*\$(\w[\w-]*)\s+in\s+@(\w[\w-]*)\s*\)*\s*")
_LITERAL = r"((?:[^\\.^$*+?()\[\]{}|]|\\[^A-Za-z0-9])+)"
"""Signs that mean themselves, or that a backslash lets mean themselves."""
_PATTERNS: tuple[tuple[str, str], ...] = (
    (rf"(?:\.\*){_LITERAL}(?:\.\*)", "contains"), (rf"\^?{_LITERAL}(?:\.\*)\$?", "startsWith"),
    (rf"(?:\.\*){_LITERAL}\$?", "endsWith"),
)  # fmt: skip


class UntranslatableError(UsageError):
    """A condition has no counterpart here; the message says what of it, and what to do."""


def list_asked(expression: str) -> tuple[str, str] | None:
    """Variable and list of a condition that asks for nothing but one list: `$ip in @stolen`.

    >>> list_asked("$ip in @stolen")
    ('ip', 'stolen')
    """
    found = _IN_ONE_LIST.fullmatch(expression)
    return None if found is None else (found[1], found[2])


def as_cel(expression: str, fields: Mapping[str, str]) -> str:
    """A condition in CEL; `fields` are the names that rules may read, by the variable. Raises UntranslatableError.

    >>> as_cel('$price > 100 and $country not in ["US"]', {"price": "amount", "country": "country"})
    '((amount > 100.0) && !(country in ["US"]))'
    """
    tokens = _tokens(expression)
    listed = next((token.text[1:] for token in tokens if token.kind == "list"), None)
    if listed is not None:
        raise UntranslatableError(f"list {listed!r} stands beside other conditions: a list decides alone here")
    reader = _Reader(tokens, fields)
    cel = reader.either()
    if reader.left:
        raise UntranslatableError(f"{reader.left[0].text!r} is not understood")
    return cel


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(expression: str) -> list[_Token]:
    found, place = [], 0
    while place < len(expression.rstrip()):
        match = _TOKEN.match(expression, place)
        if match is None or match.lastgroup is None:
            raise UntranslatableError(f"{expression[place:].strip()[:20]!r} is not understood")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Reads tokens from the weakest operator to the strongest, and writes CEL in brackets."""

    def __init__(self, tokens: list[_Token], fields: Mapping[str, str]) -> None:
        self.left = tokens
        self._fields = fields

    def either(self) -> str:
        return self._joined(self.both, {"or": "||"})

    def both(self) -> str:
        return self._joined(self.compared, {"and": "&&"})

    def compared(self) -> str:
        first = self.sum()
        if self._takes("not"):
            self._needs("in")
            return f"!({first} in {self._values()})"
        if self._takes("in"):
            return f"({first} in {self._values()})"
        if self.left and self.left[0].text in _COMPARED:
            return f"({first} {self._take().text} {self.sum()})"
        return first

    def sum(self) -> str:
        return self._joined(self.product, {"+": "+", "-": "-"})

    def product(self) -> str:
        return self._joined(self.one, {"*": "*", "/": "/"})

    def _joined(self, part: Callable[[], str], signs: Mapping[str, str]) -> str:
        found = part()
        while self.left and self.left[0].text in signs and self.left[0].kind in ("word", "sign"):
            found = f"({found} {signs[self._take().text]} {part()})"
        return found

    def one(self) -> str:
        token = self._take()
        if token.text == "(":
            inner = self.either()
            self._needs(")")
            return inner
        if token.text in ("!", "-"):
            return f"{token.text}({self.one()})"
        if token.text == "regex_match":
            return self._pattern()
        if token.kind == "variable":
            return self._field(token.text[1:])
        if token.kind == "number":
            return repr(float(token.text))
        if token.kind == "text":
            return _quoted(_plain(token.text))
        raise UntranslatableError(f"{token.text!r} has no counterpart")

    def _field(self, variable: str) -> str:
        if variable not in self._fields:
            raise UntranslatableError(f"variable {variable!r} is none that rules here may read")
        return self._fields[variable]

    def _values(self) -> str:
        self._needs("[")
        values = [self.one()]
        while self._takes(","):
            values.append(self.one())
        self._needs("]")
        return f"[{', '.join(values)}]"

    def _pattern(self) -> str:
        """A pattern that is a text with anything before or after it."""
        self._needs("(")
        token = self._take()
        self._needs(",")
        field = self.one()
        self._needs(")")
        pattern = _plain(re.sub(r'\\(?!["\\/])', r"\\\\", token.text)) if token.kind == "text" else ""
        for form, function in _PATTERNS:
            if found := re.fullmatch(form, pattern):
                literal = _quoted(re.sub(r"\\(.)", r"\1", found[1]))
                return f"{field}.{function}({literal})"
        raise UntranslatableError("a regular expression has no counterpart but for a text with .* before or after it")

    def _take(self) -> _Token:
        if not self.left:
            raise UntranslatableError("it ends too early")
        return self.left.pop(0)

    def _takes(self, text: str) -> bool:
        taken = bool(self.left) and self.left[0].text == text
        if taken:
            self._take()
        return taken

    def _needs(self, text: str) -> None:
        token = self._take()
        if token.text != text:
            raise UntranslatableError(f"{token.text!r} stands where {text!r} is expected")


def _plain(text: str) -> str:
    """What a text in quotes says."""
    try:
        return str(json.loads(text))
    except ValueError:
        raise UntranslatableError(f"text {text[:40]} has an escape that is not understood") from None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
