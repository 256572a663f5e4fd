"""A step's options, declared once: a frozen dataclass whose fields are made by `option`.

From the fields follow the container's command (its flags, defaults, bounds and help), the arguments that a pipeline
gives the container, and the pipelines' parameters.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from counterfoil.domain.release.aliases import CHALLENGER
from counterfoil.errors import UsageError

NONE = "-"
"""How an absent value is written as text: SageMaker refuses empty container arguments."""

_DAY = "%Y-%m-%d"


class Kind(Enum):
    """What a value must look like as text; the text here is for people."""

    TEXT = "a text"
    FOLDER = "'s3://bucket/prefix'"
    DAY = "a day (YYYY-MM-DD) or '-'"
    NUMBER = "a number, 0 or more"
    SHARE = "a number from 0 to 1"
    COUNT = "a whole number, 1 or more"
    INSTANCES = "a whole number from 1 to 100"
    SWITCH = "'true' or 'false'"
    SCOPE = "'new' or 'all'"
    PLACE = f"'{CHALLENGER}' or '-' (a champion is promoted by a person, with 'counterfoil release promote')"

    def fits(self, text: str) -> bool:
        """Whether a text is a value of this kind."""
        match self:
            case Kind.DAY:
                return text == NONE or day_of(text) is not None
            case Kind.SWITCH:
                return text in ("true", "false")
            case Kind.SCOPE:
                return text in ("new", "all")
            case Kind.PLACE:
                return text in (CHALLENGER, NONE)
            case Kind.TEXT:
                return True
            case _:
                return re.fullmatch(_PATTERNS[self], text, re.ASCII) is not None


_PATTERNS: Mapping[Kind, str] = {
    Kind.FOLDER: r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+",
    Kind.NUMBER: r"\d+(\.\d+)?",
    Kind.SHARE: r"0(\.\d+)?|1(\.0+)?",
    Kind.COUNT: r"[1-9]\d{0,8}",
    Kind.INSTANCES: r"[1-9]\d?|100",
}


@dataclass(frozen=True)
class Option:
    """One option of a step. An `optional` text may be absent, which is None here and '-' as text."""

    name: str
    meaning: str
    kind: Kind
    default: Any
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    @property
    def flag(self) -> str:
        """What it is called on a command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def parameter(self) -> str:
        """What a pipeline calls the parameter that it is given, unless the pipeline says otherwise."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    def value(self, text: str) -> Any:
        """A text as the step knows it: a day as its midnight (UTC), a switch as bool. Raises UsageError."""
        if not self.kind.fits(text):
            raise UsageError(f"{self.flag} is {text!r}: give {self.kind.value}")
        if text == NONE and (self.optional or self.kind is Kind.DAY):
            return None
        if self.kind is Kind.DAY:
            return datetime.strptime(text, _DAY).replace(tzinfo=UTC)
        return text == "true" if self.kind is Kind.SWITCH else text


def option(meaning: str, kind: Kind = Kind.TEXT, *, default: Any = MISSING, optional: bool = False) -> Any:
    """A field of a step's options."""
    return field(default=default, metadata={"meaning": meaning, "kind": kind, "optional": optional})


def options_of(step: type) -> tuple[Option, ...]:
    """The options of a step, in the order in which its container is given them."""
    return tuple(_option(one) for one in fields(step))


def _option(one: "Field[Any]") -> Option:
    said = one.metadata
    return Option(one.name, said["meaning"], said["kind"], one.default, said["optional"])


def text_of(value: Any) -> str:
    """A value as text, as a container or a pipeline is given it.

    >>> [text_of(value) for value in (None, True, 7.0, 0.05, datetime(2026, 1, 31), "all")]
    ['-', 'true', '7', '0.05', '2026-01-31', 'all']
    """
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case datetime():
            return value.strftime(_DAY)
        case _:
            return str(value)


def day_of(text: str) -> date | None:
    """The day that a text names, or None: Python reads 20260131 and 2026-W05 too, which no option does."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        return None
