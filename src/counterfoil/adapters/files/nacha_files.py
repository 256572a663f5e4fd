"""Read NACHA files (US ACH): one row an entry (record 6), numbered by its line, or its place where lines have no end.

A control record (8, 9) that tells other totals than the records before it make is rejected: something was lost or
changed on the way.

Our own, since public readers count one batch only, number traces afresh or do not run on this Python.
"""

import codecs
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import nacha
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.nacha_totals import ADVICES, Totals
from counterfoil.domain.intake.raw import BadRecordError, RawBatch
from counterfoil.errors import InputFileError

MOST_LINE_BYTES = 4_096
_LINE_ENDS = b"\r\n"


def columns(part: Part, style: FileFormat) -> list[str]:  # noqa: ARG001
    """Return the columns that an entry can have, whatever is in this file."""
    return list(nacha.COLUMNS)


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the entries of a file. Raises InputFileError if it begins with no file header or has no end."""
    entries = _Entries(mapping, Gathered(part, mapping))
    with part.open() as stream:
        for number, record in _records(stream):
            if not entries.files and not record.startswith(nacha.FILE.encode()):
                raise InputFileError(f"{part.place} is no NACHA file: it begins with no file header (1)")
            entries.tell(number, record)
            if entries.gathered.is_full:
                yield entries.gathered.take()
    entries.end_entry()
    if not entries.files or not entries.is_over:
        raise InputFileError(f"{part.place} is cut off or no NACHA file: it has no file header (1) and end (9)")
    if len(entries.gathered):
        yield entries.gathered.take()


def _records(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the number, from 1, and bytes of each record that is not blank; some writers end no line."""
    first = stream.readline(nacha.LENGTH + 1)
    if first.startswith(codecs.BOM_UTF8):
        rest_of_first = b"" if first.endswith(b"\n") else stream.readline(len(codecs.BOM_UTF8))
        first = first.removeprefix(codecs.BOM_UTF8) + rest_of_first
    first += stream.read(1) if first.endswith(b"\r") else b""
    reading = stream.readline if first[nacha.LENGTH :] in (b"", b"\n", b"\r\n") else None
    if reading is None:
        rest = iter(lambda: stream.read(nacha.LENGTH), b"")
        records: Iterator[bytes] = _regrouped(first, rest)
    else:
        records = itertools.chain([first], iter(lambda: stream.readline(MOST_LINE_BYTES), b""))
    for number, record in enumerate(records, 1):
        if record.strip():
            yield number, record.rstrip(_LINE_ENDS)


def _regrouped(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    kept = first
    for chunk in itertools.chain(rest, [b""]):
        kept += chunk
        while len(kept) >= nacha.LENGTH or (kept and not chunk):
            yield kept[: nacha.LENGTH]
            kept = kept[nacha.LENGTH :]


class _Entries:
    def __init__(self, mapping: SourceMapping, gathered: Gathered) -> None:
        self.gathered = gathered
        self.files = 0
        self.is_over = True
        self._columns = mapping.source_columns
        self._encoding = mapping.file.encoding
        self._file: dict[str, str] = {}
        self._batch: dict[str, str] | None = None
        self._entry: tuple[int, dict[str, str]] | None = None
        self._addenda = 0
        self._problem: BadRecordError | None = None
        self._totals = Totals()
        self._batch_totals = Totals()

    def tell(self, number: int, record: bytes) -> None:
        """Take in the next record of the file."""
        try:
            text = record.decode(self._encoding)
        except UnicodeError:
            text = record.decode("latin-1")
            why = f"the record is not {self._encoding} text: set file.encoding"
            bad: BadRecordError | None = BadRecordError("bytes_unreadable", why)
        else:
            bad = None if len(text) <= nacha.LENGTH else BadRecordError("record_too_long", "the record is too long")
        if text[0] != nacha.ADDENDUM:
            self.end_entry()
        self._take_in(number, text.ljust(nacha.LENGTH), bad)

    def _take_in(self, number: int, text: str, bad: BadRecordError | None) -> None:
        match text[0]:
            case nacha.FILE:
                self._file, self._batch, self.is_over = nacha.file_values(text), None, False
                self._totals, self._batch_totals = Totals(), Totals()
                self.files += 1
            case nacha.BATCH:
                self._batch = {**self._file, **nacha.batch_values(text)}
                # Accounting advices have other places, and so other totals.
                self._batch_totals = Totals(known=text[1:4] != ADVICES)
            case nacha.ENTRY:
                self._begin_entry(number, text, bad)
            case nacha.ADDENDUM:
                self._add_addendum(number, text, bad)
            case nacha.BATCH_END:
                self._end_batch(number, text, bad)
            case nacha.FILE_END:
                self._end_file(number, text, bad)
            case _:
                self.gathered.refuse(number, BadRecordError("record_unknown", "the record is none of 1 and 5 to 9"))

    def _end_batch(self, number: int, text: str, bad: BadRecordError | None) -> None:
        if self._batch is None:
            return
        self._batch = None
        self._totals.add_batch(self._batch_totals)
        self._require(number, bad, partial(self._batch_totals.require_batch, text))

    def _end_file(self, number: int, text: str, bad: BadRecordError | None) -> None:
        if self.is_over:  # records of nines fill the last block
            return
        self.is_over = True
        self._require(number, bad, partial(self._totals.require_file, text))

    def _require(self, number: int, bad: BadRecordError | None, require: Callable[[], None]) -> None:
        try:
            if bad is None:
                require()
        except BadRecordError as why:
            self.gathered.refuse(number, why)

    def _begin_entry(self, number: int, text: str, bad: BadRecordError | None) -> None:
        self._entry, self._addenda, self._problem = (number, {}), 0, bad
        if self._batch is None or self.is_over:
            self._problem = bad or BadRecordError("entry_outside_batch", "no batch header (5) stands before the entry")
            return
        self._batch_totals.add_entry(text)
        self._batch_totals.known = self._batch_totals.known and bad is None
        try:
            self._entry = number, self._batch | nacha.entry_values(text, self._batch)
        except BadRecordError as why:
            self._problem = bad or why

    def _add_addendum(self, number: int, text: str, bad: BadRecordError | None) -> None:
        self._batch_totals.records += 1
        if self._entry is None:
            self.gathered.refuse(number, BadRecordError("addendum_alone", "no entry (6) stands before the addendum"))
            return
        self._addenda += 1
        self._problem = self._problem or bad
        try:
            self._entry[1].update(nacha.addendum_values(text))
        except BadRecordError as why:
            self._problem = self._problem or why

    def end_entry(self) -> None:
        """Take in the entry that is open, if one is: what follows is none of its addenda."""
        entry, self._entry = self._entry, None
        if entry is None:
            return
        number, values = entry
        if self._problem is not None:
            self.gathered.refuse(number, self._problem)
            return
        self.gathered.add(number, nacha.cells({**values, "addenda": str(self._addenda)}, self._columns))
