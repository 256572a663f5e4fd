"""Delimited text of hostile cells, written by every rule, whose records are known since its writer counts them."""

import csv
import io
import json
from dataclasses import dataclass
from random import Random
from typing import Literal

from hostile_values import pick

_ROWS = 12


@dataclass(frozen=True)
class WrittenCsv:
    """What was written, in how many records (but for the header), and the mapping's [file] that says how."""

    content: bytes
    records: int
    style: str


def write_csv(names: tuple[str, ...], rng: Random) -> WrittenCsv:
    """Write rows of cells that may hold any quotes, line breaks and escapes."""
    delimiter, end = rng.choice([",", ";", "\t", "|"]), rng.choice(["\n", "\r\n", "\r"])
    quote, escape = rng.choice(['"', '"', "'", ""]), rng.choice(["", "\\"])
    rows = [[_cell(rng, end) for _ in names] for _ in range(rng.randint(1, _ROWS))]
    if not quote and not escape:
        # Nothing can be taken out of its meaning: this writer leaves out what would end a cell.
        rows = [["".join(sign for sign in cell if sign not in f"{delimiter}\r\n") for cell in row] for row in rows]
        text = "".join(delimiter.join(row) + end for row in [list(names), *rows])
    else:
        rule: Literal[0, 1, 3] = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]) if quote else csv.QUOTE_NONE
        sink = io.StringIO(newline="")
        csv.writer(
            sink, delimiter=delimiter, lineterminator=end, quoting=rule, quotechar=quote or None,
            doublequote=not escape, escapechar=escape or None,
        ).writerows([names, *rows])  # fmt: skip
        text = sink.getvalue()
    signs = {"delimiter": delimiter, "quote": quote, "escape": escape}
    style = "".join(f"{name} = {json.dumps(sign)}\n" for name, sign in signs.items())
    return WrittenCsv(text.encode(), len(rows), style)


def _cell(rng: Random, end: str) -> str:
    """A hostile value; the module quotes only those line breaks that end its rows."""
    cell = pick(rng) if rng.random() < 0.7 else "".join(rng.choices("\"'\\,;\t|a \n", k=rng.randint(0, 8)))
    return cell.replace("\r\n", "\n").replace("\r", "\n").replace("\n", end)
