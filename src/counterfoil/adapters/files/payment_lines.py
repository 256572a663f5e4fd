"""A stream of payments from JSON lines: a file that may still grow, or standard input."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from counterfoil.errors import InputFileError
from counterfoil.ports.service import Record

SHARD = "lines"
MOST_BYTES = 1_048_576
"""A longer line is no payment: it is cut, and so ends as a poison message."""
PAUSE = 0.2


class PaymentLines:
    """A PaymentStream of one shard, whose sequence is the number of bytes up to the end of a line.

    `-` is standard input, which is read from its beginning. With `follow`, the end of the file is waited at.
    """

    def __init__(self, path: Path, *, at_once: int = 100, follow: bool = False) -> None:
        self._path = path
        self._at_once = at_once
        self._follow = follow

    def records(self, checkpoints: Mapping[str, str]) -> Iterator[Sequence[Record]]:
        """Yield records after the checkpoint, some at a time; empty where none came. Raises InputFileError."""
        is_input = str(self._path) == "-"
        try:
            opened = nullcontext(sys.stdin.buffer) if is_input else self._path.open("rb")
            with opened as lines:
                place = 0 if is_input else int(checkpoints.get(SHARD, "0"))
                if place:
                    self._require_length(place)
                    lines.seek(place)
                yield from self._read(lines, place)
        except OSError as error:
            raise InputFileError(f"{self._path} cannot be read ({error.strerror}): name a file of JSON lines") from None

    def _require_length(self, place: int) -> None:
        if self._path.stat().st_size < place:
            raise InputFileError(
                f"{self._path} is shorter than what was read of it before: give the new file a name of its own"
            )

    def _read(self, lines: BinaryIO, place: int) -> Iterator[Sequence[Record]]:
        found: list[Record] = []
        left = b""
        while True:
            line = lines.readline(MOST_BYTES)
            left += line
            if line and not line.endswith(b"\n") and self._follow and len(left) < MOST_BYTES:
                continue  # its end is still being written
            if left and (line or not self._follow):
                place += len(left)
                if left.strip():
                    found.append(Record(SHARD, str(place), left))
                left = b""
            if found and (not line or len(found) >= self._at_once):
                yield found
                found = []
            if not line:
                if not self._follow:
                    return
                yield []
                time.sleep(PAUSE)
