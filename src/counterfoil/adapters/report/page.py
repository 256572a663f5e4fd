"""The insight report as one HTML page that needs nothing else: no script or font of another host, no request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from counterfoil.adapters.report.charts import with_own_ids

if TYPE_CHECKING:
    import jinja2

_SHARES = ("_rate", "share_", "_share", "precision_", "_precision", "_recall")
_MONEY = ("volume", "loss", "amount", "spend", "change")
_DASH = "–"


@dataclass(frozen=True)
class Table:
    """Rows under a caption; a column is shown by its type and name, `note` says how to read them."""

    caption: str
    rows: pa.Table
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing, its words for those who do not see it, and the table of its figures."""

    title: str
    svg: str
    words: str
    table: Table


@dataclass(frozen=True)
class Figure:
    """A key figure in words: its value with an interval, the value before, the change with an interval."""

    label: str
    value: str
    interval: str
    before: str
    change: str
    meaning: str


@dataclass(frozen=True)
class Line:
    """A payment in a case, in words. `side` is fraud, good or unknown."""

    side: str
    title: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class CaseView:
    """A scored payment with its reasons in words and its precedents."""

    verdict: str
    signal: float
    payment: Line
    reasons: tuple[str, ...]
    precedents: tuple[Line, ...]


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    anchor: str
    title: str
    intro: str = ""
    figures: Sequence[Figure] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    cases: Sequence[CaseView] = ()


@dataclass(frozen=True)
class Page:
    """The whole report. `facts` say what it is about, `notices` what could not be shown and why."""

    title: str
    facts: Sequence[tuple[str, str]]
    notices: Sequence[str]
    sections: Sequence[Section]
    glossary: Sequence[tuple[str, str]] = field(default=())


def render(page: Page) -> str:
    """The page as HTML. Every value is escaped; only drawings are put in as they are."""
    return str(environment().get_template("report.html").render(page=page))


def snippet(
    title: str, *, facts: Sequence[tuple[str, str]] = (), tables: Sequence[Table] = (), cases: Sequence[CaseView] = (),
    charts: Sequence[Chart] = (),
) -> str:  # fmt: skip
    """A piece of HTML for a notebook: a title, facts, tables, cases and charts, each value escaped."""
    parts = {"facts": facts, "tables": tables, "cases": cases, "charts": charts}
    return str(environment().get_template("snippet.html").render(title=title, **parts))


@cache
def environment() -> "jinja2.Environment":
    """The templates, which escape whatever is put into them."""
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.PackageLoader("counterfoil.adapters.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters |= {
        "shown": shown, "words": words, "is_number": is_number, "is_time": is_time, "sort_key": sort_key,
        "own_ids": _own_ids,
    }  # fmt: skip
    return found


def _own_ids(svg: str, section: str, number: int) -> str:
    return with_own_ids(svg, f"{section}-{number}")


def words(column: str) -> str:
    """A column's name as people read it."""
    return column.removesuffix("_id").replace("_", " ").replace("source ip", "source IP")


def is_number(kind: pa.DataType) -> bool:
    """Whether a column is shown to the right."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether a column has times or days, which stay on one line."""
    return bool(pa.types.is_temporal(kind))


def sort_key(value: Any) -> str:
    """What a table is sorted by when its header is pressed."""
    return "" if value is None else str(value)


def shown(value: Any, column: str = "") -> str:
    """A value in words; a share as a percentage, money with two places."""
    match value:
        case None:
            return _DASH
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return str(value)
        case Decimal():
            return f"{value:,.2f}"
        case float() if column and any(part in f"{column}_" or part in column for part in _SHARES):
            return percent(value)
        case float() if column.startswith(_MONEY):
            return f"{value:,.2f}"
        case float():
            return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def percent(share: float) -> str:
    """A share as a percentage with three digits that count, two places at most."""
    value = share * 100
    return f"{value:.1f} %" if abs(value) >= 10 else f"{value:.2f} %"
