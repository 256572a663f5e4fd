"""Read ISO 20022 XML: one row per transfer or booking, numbered through the file from 1.

Elements are found by their local names, whatever namespace they are in or claim to be in. The file is parsed as it
comes, in memory that does not grow with it; document types and entities are refused.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from xml.sax import SAXException, SAXParseException

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from counterfoil.adapters.files.camt_entries import Bookings
from counterfoil.adapters.files.iso20022_handler import MessageHandler, UnreadableXmlError
from counterfoil.adapters.files.iso20022_transfers import Transfers
from counterfoil.adapters.files.parts import Part
from counterfoil.adapters.files.record_batches import Gathered
from counterfoil.domain.intake import camt, iso20022
from counterfoil.domain.intake.fixed_columns import FIXED_COLUMNS
from counterfoil.domain.intake.mapping_model import FileFormat, SourceMapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.errors import InputFileError

CHUNK_BYTES = 1 << 16
MOST_MARKUP_BYTES = 4 << 20
"""Of one tag, comment or the like, which the parser must hold whole."""

_KINDS: Mapping[str, Callable[[SourceMapping, Gathered], MessageHandler]] = {
    **dict.fromkeys(iso20022.KINDS, Transfers),
    **dict.fromkeys(camt.READ_BY, Bookings),
}
"""By `file.format`, who gathers the records of its messages."""

_BARE_AMPERSAND = re.compile(rb"&[^;<&]{0,40}.?\Z", re.DOTALL)
_BLANKS = b" \t\r\n"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WRONG_UTF16 = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']utf-?16""", re.IGNORECASE)
"""A declaration that can be read byte by byte is no UTF-16: some writers declare it for text that is kept as UTF-8."""

_KEPT_BYTES = 1 << 10
"""An XML declaration that stands behind a document is known to do so only when it is whole."""


def columns(part: Part, style: FileFormat) -> list[str]:  # noqa: ARG001
    """Return the columns that a record can have, whatever is in this file."""
    return list(FIXED_COLUMNS[style.format].names)


def batches(part: Part, mapping: SourceMapping) -> Iterator[RawBatch]:
    """Yield the transfers or bookings of all messages of a file, or of XML documents one after another.

    Raises InputFileError if the file is no XML, cut off, has a document type or entities, or has none of the
    messages that are read.
    """
    records = _KINDS[mapping.file.format](mapping, Gathered(part, mapping))
    try:
        yield from _parsed(part, records)
    except UnreadableXmlError as error:
        raise InputFileError(f"{part.place} {error}") from None
    except DefusedXmlException:
        raise InputFileError(f"{part.place} has a document type or entities, which no payment message has") from None
    except SAXParseException as error:
        where = f"line {error.getLineNumber()}: {error.getMessage()}"
        raise InputFileError(f"{part.place} is no XML, cut off or damaged ({where})") from None
    except (SAXException, LookupError, ValueError):
        raise InputFileError(f"{part.place} is no XML in an encoding that is known") from None
    if not records.messages:
        names = " or ".join(records.read.values())
        others = f", but {' and '.join(records.others)}" if records.others else ""
        raise InputFileError(f"{part.place} holds no {names} message{others}{_hidden(part, records)}")


def _hidden(part: Part, records: MessageHandler) -> str:
    """Say that messages stand in a text, where no element was one."""
    with part.open() as stream:
        start = stream.read(MOST_MARKUP_BYTES)
    if not any(re.search(rb"(?:<|&lt;)(?:\w+:)?%b\b" % element.encode(), start) for element in records.read):
        return ""
    return ", but the text of one, in a CDATA section or with &lt; for <: take it out into a file of its own"


def _parsed(part: Part, records: MessageHandler) -> Iterator[RawBatch]:
    documents = _Documents(records)
    with part.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            documents.feed(chunk)
            if records.gathered.is_full:
                yield records.gathered.take()
    documents.close()
    if len(records.gathered):
        yield records.gathered.take()


def _what_is_bad(kept: bytes, place: int) -> str | None:
    """Say what stands where a parser stopped, if it is a mistake that writers of messages often make."""
    if kept[place : place + 1] >= b"\x80":
        return (
            "bytes that are no text in the file's encoding: name the right one in the first line, as "
            """<?xml version="1.0" encoding="ISO-8859-1"?>, or convert the file to UTF-8"""
        )
    if _BARE_AMPERSAND.search(kept, 0, place + 1):
        return "an '&' that stands by itself: write &amp; instead"
    return None


class _Parser(DefusedExpatParser):  # type: ignore[misc]
    """A parser that gives what it meets to a handler with nothing in between, and can say at which byte it stopped."""

    def __init__(self, handler: MessageHandler, encoding: str | None = None) -> None:
        self._handler = handler
        super().__init__(forbid_dtd=True)
        if encoding is not None:  # whatever the document declares
            self._source.setEncoding(encoding)

    def reset(self) -> None:
        """See DefusedExpatParser, which refuses document types and entities."""
        super().reset()
        self._parser.StartElementHandler = self._handler.start
        self._parser.EndElementHandler = self._handler.end
        self._parser.CharacterDataHandler = self._handler.characters

    @property
    def stopped_at(self) -> int:
        return int(self._parser.ErrorByteIndex)


class _Documents:
    """Feeds XML documents that stand one after another in a file, each to a parser of its own."""

    def __init__(self, records: MessageHandler) -> None:
        self._records = records
        self._silent = 0
        self._begin()

    def _begin(self) -> None:
        self._parser = _Parser(self._records)
        self._begun = self._records.events
        self._last = b""
        self._fed = 0

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes of the file. Raises what the parser and the handler raise."""
        events = self._records.events
        while chunk:
            chunk = self._rest_of(chunk)
        self._silent = 0 if self._records.events > events else self._silent + 1
        if self._silent * CHUNK_BYTES > MOST_MARKUP_BYTES:
            raise UnreadableXmlError(f"has a piece of markup of more than {MOST_MARKUP_BYTES:,} bytes")

    def close(self) -> None:
        """Raise SAXParseException if the last document is not whole."""
        self._parser.close()

    def _rest_of(self, chunk: bytes) -> bytes:
        """Parse; return what stands after the end of a whole document, for the parser of the next."""
        if not self._fed:
            # Blanks before the declaration are no XML, and say nothing.
            chunk = chunk if chunk.startswith(_UTF16_MARKS) else chunk.removeprefix(codecs.BOM_UTF8).lstrip(_BLANKS)
            if _WRONG_UTF16.match(chunk):
                self._parser = _Parser(self._records, "utf-8")
        try:
            self._parser.feed(chunk)
        except SAXParseException as error:
            kept = self._last + chunk
            start = self._parser.stopped_at - self._fed + len(self._last)
            if start < 0 or self._records.depth or self._records.events == self._begun:
                why = _what_is_bad(kept, start)  # the document itself is bad
                if why is None or "not well-formed" not in error.getMessage():
                    raise
                raise UnreadableXmlError(f"is no XML (line {error.getLineNumber()}: {why})") from None
            self._begin()
            return kept[start:]
        self._last = (self._last + chunk)[-_KEPT_BYTES:]
        self._fed += len(chunk)
        return b""
