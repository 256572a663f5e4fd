"""The claims that a process holds for a limited time, and the thread that renews them."""

import threading
from collections.abc import Callable
from datetime import timedelta

from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.lake import SourceFile


class HeldLeases:
    """Tokens of held claims, renewed every `every` by `renew(file, token)`; False from it means: it is another's.

    The thread runs while something is held, and is no reason for a process to stay alive.
    """

    def __init__(self, every: timedelta, renew: Callable[[SourceFile, str], bool]) -> None:
        self._every = every.total_seconds()
        self._renew = renew
        self._guard = threading.Lock()
        self._tokens: dict[SourceFile, str] = {}
        self._lost: set[SourceFile] = set()
        self._heart: threading.Thread | None = None
        self._stop = threading.Event()

    def hold(self, file: SourceFile, token: str) -> None:
        """Renew this claim from now on."""
        with self._guard:
            self._lost.discard(file)
            self._tokens[file] = token
            if self._heart is None:
                self._stop = threading.Event()
                self._heart = threading.Thread(target=self._beat, args=(self._stop,), name="leases", daemon=True)
                self._heart.start()

    def take(self, file: SourceFile, purpose: str) -> str:
        """Return the claim's token and stop renewing it: the file is about to be settled.

        Raises UsageError if it was never held, StoreUnavailableError if it was lost.
        """
        with self._guard:
            if file in self._lost:
                raise _lost_claim(file, purpose)
            if file not in self._tokens:
                raise UsageError(
                    f"{file.location} is not claimed by this process and cannot be marked {purpose}: claim it first"
                )
            return self._tokens.pop(file)

    def lose(self, file: SourceFile, purpose: str) -> StoreUnavailableError:
        """Remember that another process has the claim; return what to tell."""
        with self._guard:
            self._lost.add(file)
        return _lost_claim(file, purpose)

    def let_go(self) -> dict[SourceFile, str]:
        """Stop renewing, wait for a renewal under way, and return the tokens of what was held."""
        self._stop.set()
        heart = self._heart
        if heart is not None:
            heart.join()
        with self._guard:
            tokens, self._tokens, self._heart = self._tokens, {}, None
            self._lost.clear()
        return tokens

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(self._every):
            with self._guard:
                held = dict(self._tokens)
                if not held:
                    self._heart = None
                    return
            for file, token in held.items():
                if not stop.is_set():
                    self._keep(file, token)

    def _keep(self, file: SourceFile, token: str) -> None:
        try:
            kept = self._renew(file, token)
        except StoreUnavailableError:
            return  # the lease outlives two missed beats, and who settles the claim is told the truth
        with self._guard:
            if not kept and self._tokens.get(file) == token:
                del self._tokens[file]
                self._lost.add(file)


def _lost_claim(file: SourceFile, purpose: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the claim on {file.location} was lost before it could be marked {purpose}: it was not renewed in time and "
        "another process has the file now; run the step again"
    )
