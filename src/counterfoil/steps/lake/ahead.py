"""Work ahead: while one piece is used, another thread makes the next."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Piece = TypeVar("_Piece")


def ahead(pieces: Iterator[_Piece]) -> Generator[_Piece]:
    """The same pieces (none of them None), of which a thread makes the next one while this one is used.

    What the making raises is raised here, in its turn. Close this generator (`contextlib.closing`) before what the
    pieces are made of goes: only then the thread has ended.
    """
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = pool.submit(next, pieces, None)
            yield piece
