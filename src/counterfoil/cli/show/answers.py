"""Answers of named queries: on the terminal, as CSV that a spreadsheet cannot run, and as JSON."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Column, Table

from counterfoil.cli.show.terminal import out

if TYPE_CHECKING:
    import pyarrow as pa

    from counterfoil.insights.queries import Query

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


def show_queries(queries: Mapping[str, "Query"]) -> None:
    """One line a question."""
    table = Table(Column("query", no_wrap=True), "the question that it answers")
    for name, query in queries.items():
        table.add_row(name, escape(query.question))
    out.print(table)


def show_answer(answer: "pa.Table", question: str) -> None:
    """The rows under their question; says so if there are none."""
    numeric = [_is_number(column.type) for column in answer.schema]
    columns = [
        Column(name, justify="right" if number else "left")
        for name, number in zip(answer.column_names, numeric, strict=True)
    ]
    table = Table(*columns, title=escape(question), title_justify="left")
    for row in answer.to_pylist():
        table.add_row(*(escape(_shown(value)) for value in row.values()))
    out.print(table)
    if not answer.num_rows:
        out.print("no rows: no payment in the lake fits the question in this period")


def as_csv(answer: "pa.Table") -> str:
    """The rows as CSV with a header; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.column_names)
    writer.writerows([harmless(value) for value in row.values()] for row in answer.to_pylist())
    return text.getvalue()


def as_json(answer: "pa.Table") -> str:
    """The rows as a JSON list of objects; money is text, so that no cent is lost, times are ISO 8601."""
    return json.dumps(answer.to_pylist(), default=str, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it; all else is as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA) else value


def _is_number(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return str(value)
        case Decimal():
            return f"{value:,.2f}"
        case float():
            return f"{value:,.4f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
