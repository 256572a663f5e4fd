"""The pseudonym key that a workspace makes for itself, in a file that only its owner can read."""

import json
import os
import secrets
from pathlib import Path

from counterfoil.adapters.folder.locks import locked
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import UsageError

KEY_BYTES = 32


class KeyFile:
    """Keys of 32 bytes one after another in the file `path`, the oldest first.

    While the key is being changed, `<path>.next` has the new one too; it takes the place of `path` in the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f"{path.name}.next")

    def read(self) -> PseudonymKeys:
        """Return the keys; the first is made when it is first asked for. Raises UsageError while they are changed."""
        self.require_unchanged()
        return self.current()

    def require_unchanged(self) -> None:
        """Raise UsageError while the keys are changed."""
        if self._next.exists():
            raise UsageError(
                f"the pseudonym key is being changed ({self._next} is there): run 'counterfoil rotate-key' to its end"
            )

    def current(self) -> PseudonymKeys:
        """Return the keys that the lake has now, whether or not they are being changed."""
        if not self._path.exists():
            _write(self._path, secrets.token_bytes(KEY_BYTES))
        return _keys(self._path)

    def begin(self) -> PseudonymKeys:
        """Make the next key, unless that was done and not finished; return the keys that are to be."""
        if not self._next.exists():
            last = secrets.token_bytes(KEY_BYTES)
            _write(self._next, b"".join(self.current().followed_by(last).keys))
        return _keys(self._next)

    @property
    def changing(self) -> bool:
        """Whether a change was begun and is not finished."""
        return self._next.exists()

    @property
    def changed_id(self) -> str | None:
        """The id of the keys if the first one was changed; None if it was not, or there is none."""
        keys = _keys(self._path) if self._path.exists() else None
        return keys.key_id if keys is not None and len(keys.keys) > 1 else None

    def finish(self) -> None:
        """Let the next key be in use."""
        self._next.replace(self._path)


def keys_of_text(text: str) -> PseudonymKeys:
    """Read what a setting holds: a key, or a JSON list of keys with the oldest first. Raises UsageError."""
    if not text.startswith("["):
        return PseudonymKeys((text.encode(),))
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise UsageError('the pseudonym key begins with "[" and is no JSON list of texts: correct the setting')
    return PseudonymKeys(tuple(key.encode() for key in found))


def _keys(path: Path) -> PseudonymKeys:
    content = path.read_bytes()
    if not content or len(content) % KEY_BYTES:
        raise UsageError(f"{path} has {len(content)} bytes, {KEY_BYTES} a key are expected: restore it from a backup")
    return PseudonymKeys(tuple(content[at : at + KEY_BYTES] for at in range(0, len(content), KEY_BYTES)))


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; of two processes that try at once, one wins.

    What a killed process wrote aside is removed: no draft of a key stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    with locked(path.parent):
        if path.exists():
            return
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
