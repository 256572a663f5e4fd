"""Files that people ask for: there whole or not at all."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, shared: bool = False) -> None:
    """Write a file aside and put it in place when it is whole.

    What a killed process left aside is written over. With `shared` each writer has a file of its own aside, so that
    several processes may write the same file at once: the last one's content stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f"{os.getpid()}.{secrets.token_hex(4)}" if shared else "new"
    aside = path.with_name(f".{path.name}.{own}")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    aside.replace(path)
