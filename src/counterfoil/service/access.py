"""Who may ask: tokens for machines, a session cookie for people's browsers, nothing on the loopback demo."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from counterfoil.errors import UsageError
from counterfoil.ports.service import Token, TokenStore

REMEMBERED_SECONDS = 5.0
"""A revoked token opens nothing after so long."""
SESSION_SECONDS = 8 * 3600
COOKIE = "counterfoil_session"
_PREFIX = "cf_"


class Role(StrEnum):
    """What a token opens: `score` scores and reads, `analyst` also judges, `operator` also sees metrics."""

    SCORE = "score"
    ANALYST = "analyst"
    OPERATOR = "operator"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return list(Role).index(self) >= list(Role).index(other)


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    name: str
    role: Role
    token_id: str | None


NOBODY = Caller("demo", Role.OPERATOR, None)
"""Who asks where nobody is asked: `serve --no-auth`."""


CALLER_HEADER, ROLE_HEADER = "x-counterfoil-caller", "x-counterfoil-role"
"""Who calls and as what, as a gateway has verified it. Anybody can write them: they count only behind a gateway."""


def of_gateway(headers: Mapping[str, str]) -> Caller | None:
    """Who calls, as a gateway says; None where it names nobody or no role."""
    name, role = headers.get(CALLER_HEADER, "").strip(), headers.get(ROLE_HEADER, "")
    return Caller(name, Role(role), None) if name and role in list(Role) else None


def new_token(store: TokenStore, role: str, name: str) -> str:
    """Make a token and return it, for the only time: the store keeps its digest. Raises UsageError."""
    if role not in list(Role):
        raise UsageError(f"{role!r} is no role: use {', '.join(Role)}")
    if not name.strip():
        raise UsageError("a token needs a name: say whose it is")
    secret = _PREFIX + secrets.token_urlsafe(32)
    store.add(Token(secrets.token_hex(6), role, name.strip()), digest_of(secret))
    return secret


def digest_of(secret: str) -> str:
    """SHA-256: a token has 256 random bits, so no slower hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Access:
    """Finds out who asks. `key` signs sessions, the same in all processes of a workspace.

    With `gateway`, its headers count where a request has no token.
    """

    def __init__(self, store: TokenStore, key: bytes, *, required: bool = True, gateway: bool = False) -> None:
        self._store = store
        self._key = hmac.digest(key, b"counterfoil sessions", "sha256")
        self._known: dict[str, tuple[float, Caller | None]] = {}
        self.required = required
        self.gateway = gateway

    def of_token(self, secret: str) -> Caller | None:
        """Who has this token. Raises StoreUnavailableError."""
        return self._of_digest(digest_of(secret))

    def _of_digest(self, digest: str) -> Caller | None:
        seen = self._known.get(digest)
        if seen is not None and seen[0] > time.monotonic():
            return seen[1]
        token = self._store.find(digest)
        caller = None if token is None else Caller(token.name, Role(token.role), token.token_id)
        if len(self._known) > 1_000:  # whoever guesses tokens must not fill the memory
            self._known.clear()
        self._known[digest] = (time.monotonic() + REMEMBERED_SECONDS, caller)
        return caller

    def session_of(self, secret: str) -> str:
        """A cookie's value for the holder of a token: it ends with the token, and after some hours."""
        until = str(int(time.time()) + SESSION_SECONDS)
        digest = digest_of(secret)
        return f"{digest}.{until}.{self._sign('session', digest, until)}"

    def of_session(self, cookie: str) -> Caller | None:
        """Who has this session. Raises StoreUnavailableError."""
        digest, _, rest = cookie.partition(".")
        until, _, signature = rest.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", digest, until).encode()):
            return None
        return self._of_digest(digest) if until.isdigit() and int(until) > time.time() else None

    def form_token(self, cookies: Mapping[str, str]) -> str:
        """What a form of this session carries, so that no other site can send it."""
        return self._sign("form", cookies.get(COOKIE, ""))

    def is_own_form(self, cookies: Mapping[str, str], given: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.form_token(cookies).encode(), given.encode("utf-8", "replace"))

    def _sign(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(parts).encode("utf-8", "replace"), "sha256").hex()
