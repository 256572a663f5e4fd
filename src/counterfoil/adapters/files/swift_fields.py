"""Split files of SWIFT's MT messages into fields, in bounded memory: who reads one message needs no other."""

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.domain.intake.swift import Message, SwiftField
from counterfoil.errors import InputFileError

MOST_LINE_BYTES = 64 << 10
MOST_TEXT = 64 << 10
"""Of one field, in characters."""

_TAG = re.compile(r":(\d\d[A-Z]?|NS):(.*)", re.DOTALL)
_BLOCK_4 = re.compile(r"\{4:\s*")


class MessageRows(Protocol):
    """Rows made of messages while their fields are met."""

    gathered: Gathered
    found: bool
    """Whether anything was met that such a file has."""

    def tell(self, known: SwiftField | Message) -> None:
        """Take in what comes next in the file."""
        ...

    def end(self) -> None:
        """Take in the row that is open, if one is."""
        ...


def batches_of(part: Part, rows: MessageRows, encoding: str, nothing: str) -> Iterator[RawBatch]:
    """Yield the rows of all messages of a file. Raises InputFileError, which says `nothing`, if it holds none."""
    with part.open() as stream:
        for known in fields_of(stream, encoding):
            rows.tell(known)
            if rows.gathered.is_full:
                yield rows.gathered.take()
    rows.end()
    if not rows.found:
        raise InputFileError(f"{part.place} holds {nothing} (file.format)")
    if len(rows.gathered):
        yield rows.gathered.take()


def fields_of(stream: BinaryIO, encoding: str) -> Iterator[SwiftField | Message]:
    """Yield a Message where one begins, and each field when it is whole.

    A field whose bytes are no text in `encoding`, or that is too long, has a problem. Text that is in no field is
    passed over.
    """
    open_field: SwiftField | None = None
    for number, line, problem in _lines(stream, encoding):
        blocks, text = _split_blocks(line)
        tag = _TAG.match(text)
        if open_field is not None and (tag or blocks is not None or _is_end(text)):
            yield open_field
            open_field = None
        if blocks is not None:
            yield Message(blocks)
        if tag is not None:
            open_field = SwiftField(tag[1], number, [tag[2]], problem)
        elif open_field is not None:
            _go_on(open_field, text, problem)
    if open_field is not None:
        yield open_field


def _go_on(known: SwiftField, text: str, problem: BadRecordError | None) -> None:
    known.problem = known.problem or problem
    if sum(map(len, known.lines)) + len(text) > MOST_TEXT:
        known.problem = BadRecordError("text_too_long", f"field {known.tag} has more than {MOST_TEXT:,} characters")
    elif text:
        known.lines.append(text)


def _is_end(text: str) -> bool:
    return text.strip() in ("-", "-}") or text.startswith("-}")


def _split_blocks(line: str) -> tuple[str | None, str]:
    """Return the blocks before the fields of a message that begins in a line, None if none does, and the rest."""
    start = line.find("{1:")
    if start < 0 or (start > 0 and not line.startswith(("-}", "\x01", "$"))):
        found = _BLOCK_4.match(line)
        return (None, line) if found is None else ("", line[found.end() :])
    found = _BLOCK_4.search(line, start)
    return (line[start:], "") if found is None else (line[start : found.start()], line[found.end() :])


def _lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str, BadRecordError | None]]:
    for number in itertools.count(1):
        line = stream.readline(MOST_LINE_BYTES)
        if not line:
            return
        problem = None
        if len(line) == MOST_LINE_BYTES and not line.endswith(b"\n"):
            _skip_rest(stream)
            problem = BadRecordError("line_too_long", f"a line has more than {MOST_LINE_BYTES:,} bytes")
        try:
            text = line.decode(encoding)
        except UnicodeError:
            text = line.decode("latin-1")
            problem = problem or BadRecordError("bytes_unreadable", f"a line is not {encoding} text: set file.encoding")
        yield number, text.rstrip("\r\n").lstrip("\ufeff\x01"), problem


def _skip_rest(stream: BinaryIO) -> None:
    while True:
        rest = stream.readline(MOST_LINE_BYTES)
        if not rest or rest.endswith(b"\n"):
            return
