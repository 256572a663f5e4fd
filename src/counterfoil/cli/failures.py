"""What the command line says of a failure: one line, with a way out."""

import errno
import os
import shutil
import sys

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def complain(error: Exception) -> None:
    """Tell a failure on standard error."""
    text = str(error)
    # What shutil copied has no number of its own: its text lists each file's error.
    listed = isinstance(error, shutil.Error) and any(os.strerror(number) in text for number in _DISK_FULL)
    if listed or (isinstance(error, OSError) and error.errno in _DISK_FULL):
        reason = " ".join(text.split())
        text = f"the disk is full ({reason}): make room, then run this again; what was there before is as it was"
    print(f"counterfoil: {text}", file=sys.stderr)  # noqa: T201 the CLI's own voice
