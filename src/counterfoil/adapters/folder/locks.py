"""Locks on folders between the processes of a machine; the system frees them when a process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock; False: the folder is gone."""
    try:
        hold = Hold(folder)
    except FileNotFoundError:
        yield False
        return
    try:
        yield folder.is_dir()
    finally:
        hold.release()


class Hold:
    """A lock on a folder that lasts until `release`, or until nothing refers to this object.

    Without `wait`, raises BlockingIOError if somebody else has it. Raises FileNotFoundError without the folder.
    """

    def __init__(self, folder: Path, *, wait: bool = True) -> None:
        self._handle: int | None = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Free the lock; does nothing the second time."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.release()


def is_held(folder: Path) -> bool:
    """Whether a living process has the folder's lock, this one included."""
    try:
        Hold(folder, wait=False).release()
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
