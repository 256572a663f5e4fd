"""One payment file as bytes: a file of this machine, or a member of an archive."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Part:
    """The bytes of one payment file: a file of this machine, or a member of an archive.

    `place` names it in messages; `source` in tables (without the folder); `member` is its name in the archive.
    `open` starts at its first byte each time.
    """

    place: str
    source: str
    member: str | None
    open: Callable[[], BinaryIO]
