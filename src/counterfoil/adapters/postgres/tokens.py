"""The service's tokens in PostgreSQL: digests only."""

from counterfoil.adapters.postgres.connections import Connections, Login
from counterfoil.errors import NotFoundError
from counterfoil.ports.service import Token

_COLUMNS = "token_id, role, name, created_at, revoked_at"


class PostgresTokens:
    """A TokenStore in the database of `login`."""

    def __init__(self, login: Login) -> None:
        self._connections = Connections(login)

    def add(self, token: Token, digest: str) -> Token:
        """Keep a token's digest (SHA-256, hex)."""
        query = f"INSERT INTO service_token (token_id, role, name, digest) VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}"
        with self._connections.connection() as connection:
            [row] = connection.execute(query, (token.token_id, token.role, token.name, digest)).fetchall()
        return Token(*row)

    def find(self, digest: str) -> Token | None:
        """Return the token of a digest unless it was revoked."""
        query = f"SELECT {_COLUMNS} FROM service_token WHERE digest = %s AND revoked_at IS NULL"
        with self._connections.connection() as connection:
            row = connection.execute(query, (digest,)).fetchone()
        return None if row is None else Token(*row)

    def revoke(self, token_id: str) -> None:
        """Let a token open nothing any more. Raises NotFoundError."""
        query = "UPDATE service_token SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = %s"
        with self._connections.connection() as connection:
            if not connection.execute(query, (token_id,)).rowcount:
                raise NotFoundError(f"there is no token {token_id!r}: 'counterfoil token list' shows those there are")

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        with self._connections.connection() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM service_token ORDER BY created_at, token_id")
            return [Token(*row) for row in rows]
