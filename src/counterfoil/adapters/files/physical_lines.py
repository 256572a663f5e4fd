"""On which line of a text file each record begins: records may have several lines, and blank lines are none."""

import re

import numpy as np

from counterfoil.adapters.files.unpacking import Readable
from counterfoil.domain.arrays import Integers

_BREAK = re.compile(rb"\r\n|\r|\n")
_BLANK = re.compile(rb"(?:\A|(?<=\n)|(?<=\r)(?!\n))(?:\r\n|\r|\n)+")


class PhysicalLines:
    """Follows a file's bytes as they are read, and remembers where lines and records begin to count differently.

    The first record, of the number `number`, begins on line `line`. What was asked for is not kept.
    """

    def __init__(self, number: int, line: int) -> None:
        self._number = number
        self._line = line
        self._from = [number]
        self._ahead = [line - number]

    def passed(self, data: bytes) -> None:
        """Count whole lines, each a record or blank."""
        has_returns = b"\r" in data
        blank = data[:1] in (b"\n", b"\r") or b"\n\n" in data
        if blank or (has_returns and (b"\n\r" in data or b"\r\r" in data)):
            place = 0
            for found in _BLANK.finditer(data):
                self._count(data[place : found.start()], has_returns=has_returns)
                self._line += len(_BREAK.findall(found[0]))
                self._remember()
                place = found.end()
            data = data[place:]
        self._count(data, has_returns=has_returns)

    def record(self, data: bytes) -> None:
        """Count one record with its line breaks."""
        self._number += 1
        self._line += len(_BREAK.findall(data))
        self._remember()

    def of(self, numbers: Integers) -> Integers:
        """Return the line of each record; the numbers are sorted, and none is asked for again."""
        if not len(numbers):
            return numbers
        ahead: Integers = np.asarray(self._ahead)
        spans: Integers = np.searchsorted(np.asarray(self._from), numbers, side="right") - 1
        passed = int(spans[-1])
        del self._from[:passed], self._ahead[:passed]
        lines: Integers = numbers + ahead[spans]
        return lines

    def _count(self, data: bytes, *, has_returns: bool) -> None:
        breaks = data.count(b"\n")
        if has_returns:
            breaks += data.count(b"\r") - data.count(b"\r\n")
        self._number += breaks
        self._line += breaks

    def _remember(self) -> None:
        ahead = self._line - self._number
        if ahead == self._ahead[-1]:
            return
        if self._from[-1] == self._number:
            self._ahead[-1] = ahead
        else:
            self._from.append(self._number)
            self._ahead.append(ahead)


class Followed:
    """A stream whose records have one line each, counted as they pass."""

    def __init__(self, stream: Readable, lines: PhysicalLines) -> None:
        self._stream = stream
        self._lines = lines
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none only at the end."""
        data = self._stream.read(size)
        whole = self._held + data
        end = len(whole) if not data else end_of_lines(whole)
        self._lines.passed(whole[:end])
        self._held = whole[end:]
        return data


def end_of_lines(data: bytes) -> int:
    """Return the length of the whole lines; a carriage return at the end may be half of a line break."""
    return (data.rfind(b"\n") + 1) or (data.rfind(b"\r", 0, len(data) - 1) + 1 if data else 0)
