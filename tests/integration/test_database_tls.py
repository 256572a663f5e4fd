"""Connections to a real PostgreSQL over TCP and TLS: to the right server, and to none that only seems right."""

import asyncio
import datetime as dt
import ipaddress
import shutil
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from counterfoil.adapters.postgres import embedded as embedded_postgres
from counterfoil.adapters.postgres.connections import Connections, connect
from counterfoil.adapters.postgres.ledger import PostgresLedger
from counterfoil.adapters.postgres.tls import with_verified_tls
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.lake import SourceFile

SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")

FILE = SourceFile("raw/2019-01.csv", "a" * 64)


class Authority:
    """A certificate authority of this test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        constraint = (x509.BasicConstraints(ca=True, path_length=None), True)
        self.certificate = self._sign(self._name, self._key.public_key(), constraint)

    def issue(self, key: ec.EllipticCurvePrivateKey, address: str) -> bytes:
        """Return the PEM certificate of the server at an IP address."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        place = (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        return self._sign(name, key.public_key(), place)

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, extension: tuple[x509.ExtensionType, bool]
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
        builder = builder.add_extension(*extension)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Front:
    """The TLS side of a PostgreSQL server, on a thread of its own: the embedded server is built without TLS."""

    def __init__(self, socket_path: Path, certificate: Path) -> None:
        self._socket_path = socket_path
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self.speaks_tls = True
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Front":
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self.port = server.result(30).sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        # Clients that hung up half way are still waited for.
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):  # ssl.SSLError is an OSError: the client turned us down
            assert await reader.readexactly(8) == SSL_REQUEST
            writer.write(b"S" if self.speaks_tls else b"N")
            if self.speaks_tls:
                await writer.start_tls(self._context)
            behind = await asyncio.open_unix_connection(str(self._socket_path))
            await asyncio.gather(_pass_on(reader, behind[1]), _pass_on(behind[0], writer))
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Server:
    """A running server: its owner's socket, its TLS side, and the authority of its certificate."""

    owner: str
    front: Front
    ca: Path

    def dsn(self, password: str = "first", host: str = "host=127.0.0.1") -> str:
        return f"{host} port={self.front.port} user=payer password={password} dbname=postgres"

    def run(self, statement: str) -> None:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(sql.SQL(statement))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Return a server that takes the passwords of its user `payer`."""
    folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))
    authority, key = Authority("ours"), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(authority.certificate)
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(key.private_bytes(*pem) + authority.issue(key, "127.0.0.1"))
    owner = embedded_postgres.start(folder / "pg")
    place = conninfo_to_dict(owner)
    with Front(Path(f"{place['host']}/.s.PGSQL.{place['port']}"), folder / "server.pem") as front:
        served = Server(owner, front, folder / "ca.pem")
        served.run("CREATE ROLE payer LOGIN SUPERUSER PASSWORD 'first'")
        (folder / "pg" / "pg_hba.conf").write_text("local all payer scram-sha-256\nlocal all all trust\n")
        served.run("SELECT pg_reload_conf()")
        yield served
    embedded_postgres.stop(folder / "pg")
    shutil.rmtree(folder)


def verified(dsn: str, ca: Path | None) -> str:
    return with_verified_tls(dsn, ca, trust_loopback=False)


def test_the_right_authority_and_name_are_let_through(server: Server) -> None:
    with connect(verified(server.dsn(), server.ca)) as connection:
        assert connection.info.pgconn.ssl_in_use
        assert connection.execute("SELECT current_user").fetchone() == ("payer",)


def failure(dsn: str) -> str:
    with pytest.raises(StoreUnavailableError) as caught:
        connect(dsn)
    assert "first" not in str(caught.value)
    return str(caught.value)


def test_another_authority_is_refused(server: Server, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("theirs").certificate)
    words = failure(verified(server.dsn(), other))
    assert "certificate verify failed" in words
    assert "let COUNTERFOIL_DATABASE_CA name the file" in words


def test_the_machines_authorities_do_not_know_ours(server: Server) -> None:
    assert "certificate verify failed" in failure(verified(server.dsn(), None))


def test_a_file_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    assert f"{tmp_path}/none.pem" in failure(verified(server.dsn(), tmp_path / "none.pem"))


def test_another_name_is_refused_unless_only_the_authority_is_asked_for(server: Server) -> None:
    elsewhere = server.dsn(host="host=db.example.com hostaddr=127.0.0.1")
    assert 'does not match host name "db.example.com"' in failure(verified(elsewhere, server.ca))
    with connect(verified(f"{elsewhere} sslmode=verify-ca", server.ca)) as connection:
        assert connection.info.pgconn.ssl_in_use


def test_a_server_without_tls_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.front, "speaks_tls", False)
    assert "server does not support SSL" in failure(verified(server.dsn(), server.ca))


def test_each_new_connection_asks_for_a_new_password(server: Server) -> None:
    passwords = ["first"]
    connections = Connections(lambda: verified(server.dsn(passwords[-1]), server.ca))
    ledger = PostgresLedger(lambda: verified(server.dsn(passwords[-1]), server.ca))
    with connections.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert ledger.claim(FILE, "bank")
    ledger.fail(FILE, "no header")
    server.run("ALTER ROLE payer PASSWORD 'second'")
    try:
        with connections.connection() as connection:  # the open one outlives its password
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'payer'")
        with pytest.raises(StoreUnavailableError) as caught, connections.connection() as connection:
            connection.execute("SELECT 1")
        assert f"127.0.0.1, port {server.front.port}, database postgres" in str(caught.value)
        with pytest.raises(StoreUnavailableError):
            ledger.entries()
        with pytest.raises(StoreUnavailableError, match="password authentication failed"), connections.connection():
            pass
        passwords.append("second")
        with connections.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert ledger.claim(FILE, "bank")
    finally:
        server.run("ALTER ROLE payer PASSWORD 'first'")
        connections.close()
        ledger.close()
