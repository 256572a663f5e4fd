"""Spoil delimited text where it has structure: its cells, quotes, rows, header, line ends and bytes.

Bytes are handled as Latin-1 text, so that whatever was no text before stays what it was.
"""

import csv
import io
from collections.abc import Callable
from random import Random

from hostile_values import pick

Table = list[list[str]]
_NO_TEXT = ("\xff", "\xe9", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xe2\x82")
_MARKS = (*[""] * 8, *["\xef\xbb\xbf"] * 8, "\xef\xbb\xbf\xef\xbb\xbf", "\xff\xfe", "\xfe\xff")
_LINE_ENDS = ("\n", "\r\n", "\r", "\n\n", "\r\n\r\n")
_MOST_ROWS = 300


def spoil_csv(content: bytes, rng: Random, delimiter: str = ",") -> bytes:
    """Return delimited text with one to four changes made to it."""
    rows = _rows(content.decode("latin-1"), delimiter)
    for _ in range(rng.randint(1, 4)):
        rng.choice(_CHANGES)(rows, rng)
    return _damaged(_written(rows, rng, delimiter), rng).encode("latin-1")


def _rows(text: str, delimiter: str) -> Table:
    text = text.removeprefix("\xef\xbb\xbf")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:  # a cell beyond the module's limit
        rows = [line.split(delimiter) for line in text[:10_000].split("\n")]
    return rows[:_MOST_ROWS]


def _some_row(rows: Table, rng: Random) -> list[str]:
    while len(rows) < 2:
        rows.append([""])
    return rng.choice(rows[1:]) if rng.random() < 0.95 else rows[0]


def _cell(rows: Table, rng: Random) -> None:
    row = _some_row(rows, rng)
    if row:
        row[rng.randrange(len(row))] = pick(rng).encode().decode("latin-1")


def _no_text(rows: Table, rng: Random) -> None:
    row = _some_row(rows, rng)
    if row:
        place = rng.randrange(len(row))
        row[place] += rng.choice(_NO_TEXT)


def _huge(rows: Table, rng: Random) -> None:
    _some_row(rows, rng).append("x" * rng.choice([1 << 10, 1 << 17, 1 << 18]))


def _shorter(rows: Table, rng: Random) -> None:
    row = _some_row(rows, rng)
    del row[rng.randint(0, len(row)) :]


def _longer(rows: Table, rng: Random) -> None:
    _some_row(rows, rng).extend([pick(rng).encode().decode("latin-1")] * rng.randint(1, 3))


def _doubled(rows: Table, rng: Random) -> None:
    rows.insert(rng.randint(0, len(rows)), list(_some_row(rows, rng)))


def _many(rows: Table, rng: Random) -> None:
    rows.extend(list(row) for row in rows[1:] * rng.randint(2, 40))
    del rows[_MOST_ROWS:]


def _moved(rows: Table, rng: Random) -> None:
    first = 0 if rng.random() < 0.1 else 1
    rows[first:] = rng.sample(rows[first:], len(rows[first:]))


def _blank(rows: Table, rng: Random) -> None:
    rows.insert(rng.randint(0, len(rows)), rng.choice([[], [""], [" "], ["\t"]]))


def _header(rows: Table, rng: Random) -> None:
    if rows and rows[0]:
        place = rng.randrange(len(rows[0]))
        rows[0][place] = rng.choice([*rows[0], "", "ID", " id ", "id\0"])


def _column_lost(rows: Table, rng: Random) -> None:
    place = rng.randrange(len(rows[0])) if rows and rows[0] else 0
    for row in rows:
        del row[place : place + 1]


def _emptied(rows: Table, rng: Random) -> None:
    del rows[rng.choice([0, 1]) :]


_CHANGES: tuple[Callable[[Table, Random], None], ...] = (
    _cell, _cell, _cell, _cell, _no_text, _no_text, _huge, _shorter, _shorter, _longer, _longer, _doubled, _doubled,
    _many, _many, _moved, _moved, _blank, _blank, _header, _column_lost, _emptied,
)  # fmt: skip


def _written(rows: Table, rng: Random, delimiter: str) -> str:
    """The rows as text: all by one way of quoting and ending lines, or each by its own."""
    quoting, end = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE]), rng.choice(_LINE_ENDS)
    mixed = rng.random() < 0.2
    text = io.StringIO(newline="")
    for row in rows:
        if mixed:
            quoting, end = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE]), rng.choice(_LINE_ENDS)
        if quoting == csv.QUOTE_NONE:
            text.write(delimiter.join(row) + end)
        else:
            csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerow(row)
    return text.getvalue()


def _damaged(text: str, rng: Random) -> str:
    text = rng.choice(_MARKS) + text
    place = rng.randint(0, len(text))
    match rng.randrange(8):
        case 0:
            return text[:place]
        case 1:
            return text.rstrip("\r\n")
        case 2:
            return text[:place] + rng.choice(['"', '""', "\0", "\r", "\n", ",", ";", "\t"]) + text[place:]
        case 3:
            return text[:place] + text[place + rng.randint(1, 40) :]
        case _:
            return text
