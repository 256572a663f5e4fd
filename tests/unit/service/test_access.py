"""Tokens, sessions and forms."""

import time

import pytest

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.service import Token
from counterfoil.service import access as module
from counterfoil.service.access import COOKIE, Access, Role, digest_of, new_token

KEY = b"0123456789abcdef"


class Listed:
    """A TokenStore in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}
        self.asked = 0

    def add(self, token: Token, digest: str) -> Token:
        self.kept[digest] = token
        return token

    def find(self, digest: str) -> Token | None:
        self.asked += 1
        return self.kept.get(digest)

    def revoke(self, token_id: str) -> None:
        found = [digest for digest, token in self.kept.items() if token.token_id == token_id]
        if not found:
            raise NotFoundError(token_id)
        del self.kept[found[0]]

    def tokens(self) -> list[Token]:
        return list(self.kept.values())


@pytest.fixture
def store() -> Listed:
    return Listed()


def test_a_token_is_known_and_only_its_digest_is_kept(store: Listed) -> None:
    secret = new_token(store, "analyst", " ada ")
    assert len(secret) > 40
    assert secret not in repr(store.kept)
    assert digest_of(secret) in store.kept
    caller = Access(store, KEY).of_token(secret)
    assert caller is not None
    assert (caller.name, caller.role) == ("ada", Role.ANALYST)
    assert Access(store, KEY).of_token(secret + "x") is None
    assert Access(store, KEY).of_token("") is None


@pytest.mark.parametrize(("role", "name"), [("admin", "ada"), ("score", "  "), ("", "ada")])
def test_a_token_needs_a_role_and_a_name(store: Listed, role: str, name: str) -> None:
    with pytest.raises(UsageError):
        new_token(store, role, name)


def test_roles_include_those_before_them() -> None:
    wanted = [[a.includes(b) for b in Role] for a in Role]
    assert wanted == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_revoked_token_opens_nothing_after_a_moment(store: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = new_token(store, "score", "machine")
    access = Access(store, KEY)
    assert access.of_token(secret)
    assert access.of_token(secret)
    assert store.asked == 1
    store.revoke(store.tokens()[0].token_id)
    later = time.monotonic() + module.REMEMBERED_SECONDS + 1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert access.of_token(secret) is None


def test_a_session_is_its_tokens_and_ends(store: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = new_token(store, "analyst", "ada")
    access = Access(store, KEY)
    cookie = access.session_of(secret)
    assert secret not in cookie
    assert access.of_session(cookie) == access.of_token(secret)
    assert Access(store, KEY).of_session(cookie) is not None
    assert Access(store, b"another key 1234").of_session(cookie) is None
    digest, until, signature = cookie.split(".")
    longer = f"{digest}.{int(until) + 1}.{signature}"
    for wrong in (longer, "", ".", "..", f"{digest}.{until}.", f"{digest}..{signature}", "é.1.x"):
        assert access.of_session(wrong) is None, wrong
    monkeypatch.setattr(module.time, "time", lambda: float(until) + 1)
    assert access.of_session(cookie) is None


def test_a_form_is_of_one_session(store: Listed) -> None:
    access = Access(store, KEY)
    mine, other = {COOKIE: "mine"}, {COOKIE: "other"}
    assert access.is_own_form(mine, access.form_token(mine))
    assert not access.is_own_form(mine, access.form_token(other))
    assert not access.is_own_form(mine, access.form_token({}))
    assert not access.is_own_form(mine, "")
