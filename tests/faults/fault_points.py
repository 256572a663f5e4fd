"""Fault points: every operation of a process that changes the world outside it, counted in their order.

Python tells of files that are opened for writing, renamed and removed (audit events); what goes past it (Parquet
files, DuckDB's COPY, statements to PostgreSQL and SQLite, writes, fsync) is wrapped. A fault happens at the point
with a given number: the process is killed before the operation, or in the middle of a write; it is stopped until
somebody continues it; or from there on the disk is full.
"""

import builtins
import errno
import io
import os
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

KILL, STOP, FULL = "kill", "stop", "full"
ASIDE = "SQLite aside"
"""What the names of hundreds of points begin with: MLflow makes its tables in a file that is then put in place."""

_FULL = os.strerror(errno.ENOSPC)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_NO_SPACE_NEEDED = {"os.rename", "os.remove", "os.rmdir", "os.chmod"}
_ELSEWHERE = re.compile(r"/dev/|/proc/|.*__pycache__|.*\.pyc$")
_READING = re.compile(
    r"\s*(select(?!.*pg_(try_)?advisory)|set|show|begin|rollback|pragma|describe|lock)\b", re.I | re.S
)


class FaultPoints:
    """Counts the points of this process, writes each name to the descriptor `log`, lets the fault happen at one."""

    def __init__(self, log: int, at: int = 0, fault: str = KILL) -> None:
        self._log = log
        self._at = at
        self._fault = fault
        self.count = 0
        self._meeting = threading.RLock()

    def meet(
        self,
        name: str,
        *,
        needs_space: bool = True,
        full: Callable[[], Exception] = lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        torn: Callable[[], object] = lambda: None,
    ) -> None:
        """Come to a point.

        `torn` does a part of the operation, of which a kill in its middle leaves traces; `full` is how a full disk is
        told there, where room is needed.
        """
        with self._meeting:  # of several threads, none goes past the point where another is killed
            self.count += 1
            os.write(self._log, f"{name}\n".encode())
            if self._at and self.count >= self._at and self._fault == FULL:
                if needs_space:
                    torn()
                    raise full()
            elif self.count == self._at:
                torn()
                os.kill(os.getpid(), signal.SIGKILL if self._fault == KILL else signal.SIGSTOP)

    def install(self) -> None:
        """Watch this process from now on; there is no way back."""
        sys.addaudithook(self._audit)
        self._wrap_files()
        os.fsync = lambda _: self.meet("fsync")  # a kill loses nothing that the kernel has: do not wait for the disk
        self._wrap(os, "sendfile", "copy")
        self._wrap_parquet()
        self._wrap_duckdb()
        self._wrap_postgres()
        self._watch_sqlite()

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = set(mode or "") & set("wax+") if mode else (flags or 0) & _WRITING
            if writes and not isinstance(path, int) and not _ELSEWHERE.match(os.fsdecode(path)):
                self.meet(f"open {_short(path)}", needs_space=not os.path.exists(path))  # noqa: PTH110 a str or bytes
        elif event in _CHANGES and not (isinstance(arguments[0], int) or _ELSEWHERE.match(os.fsdecode(arguments[0]))):
            self.meet(f"{event[3:]} {_short(arguments[0])}", needs_space=event not in _NO_SPACE_NEEDED)
        elif event == "subprocess.Popen":
            self.meet(f"start {_short(arguments[0])}", needs_space=False)

    def _wrap(
        self, owner: Any, name: str, what: str, when: Callable[..., bool] = lambda *_, **__: True, **told: Any
    ) -> None:
        """Let each call of a function that changes something be a point."""
        function = getattr(owner, name)

        @wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if when(*arguments, **options):
                self.meet(what, **told)
            return function(*arguments, **options)

        setattr(owner, name, wrapped)

    def _wrap_files(self) -> None:
        opened = builtins.open

        @wraps(opened)
        def open_(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            found = opened(file, mode, *arguments, **options)
            path = os.fsdecode(file) if isinstance(file, str | bytes | os.PathLike) else str(file)
            watched = set(mode) & set("wax+") and not _ELSEWHERE.match(path)
            name = "a file" if isinstance(file, int) else _short(path)
            return WatchedFile(found, self, name) if watched else found

        builtins.open = io.open = open_

    def _wrap_parquet(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self._wrap(ParquetWriter, "__init__", "open a Parquet file")
        self._wrap(ParquetWriter, "write_table", "write rows of Parquet")
        close = ParquetWriter.close

        @wraps(close)
        def close_(writer: Any) -> None:
            if writer.is_open:
                try:
                    self.meet("close a Parquet file")
                finally:
                    close(writer)  # a writer that cannot end its file is closed all the same

        ParquetWriter.close = close_

    def _wrap_duckdb(self) -> None:
        import duckdb

        def copies(_: object, query: object = "", *__: object) -> bool:
            return str(query).lstrip().startswith("COPY")

        self._wrap(
            duckdb.DuckDBPyConnection, "execute", "COPY of DuckDB", when=copies, full=lambda: duckdb.IOException(_FULL)
        )

    def _wrap_postgres(self) -> None:
        import psycopg
        from psycopg import sql
        from psycopg.transaction import Transaction

        execute = psycopg.Cursor.execute

        def full() -> Exception:
            return psycopg.errors.DiskFull(f"could not extend file: {_FULL}")

        @wraps(execute)
        def execute_(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            text = query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
            if not _READING.match(text):
                self.meet(f"PostgreSQL: {_first_words(text)}", full=full)
            return execute(cursor, query, *arguments, **options)

        psycopg.Cursor.execute = execute_
        self._wrap(psycopg.Cursor, "executemany", "PostgreSQL: many rows", full=full)
        self._wrap(psycopg.Cursor, "copy", "PostgreSQL: COPY", full=full)
        self._wrap(Transaction, "__exit__", "PostgreSQL: the end of a transaction", needs_space=False)

    def _watch_sqlite(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from sqlalchemy.exc import OperationalError

        def full() -> Exception:
            return OperationalError("a statement", None, sqlite3.OperationalError("database or disk is full"))

        @event.listens_for(Engine, "before_cursor_execute")
        def statement(connection: Any, _: Any, text: str, *__: Any) -> None:
            if not _READING.match(text):
                self.meet(_database(connection) + _first_words(text), full=full)

        @event.listens_for(Engine, "commit")
        def commit(connection: Any) -> None:
            self.meet(_database(connection) + "COMMIT", needs_space=False)


class WatchedFile:
    """A file whose writes, and whose closing, are points. A write that is killed leaves its first half."""

    def __init__(self, file: Any, points: FaultPoints, name: str) -> None:
        self._file = file
        self._points = points
        self._name = name

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._points.meet(f"write {self._name}", torn=half)
        return int(self._file.write(content))

    def close(self) -> None:
        if not self._file.closed:
            self._points.meet(f"close {self._name}", needs_space=False)
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "WatchedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Any:
        return iter(self._file)


def _short(path: Any) -> str:
    """The last parts of a path, without what is drawn by lot."""
    text = "/".join(os.fsdecode(path).split("/")[-3:])
    return re.sub(r"-[0-9a-f]{8}\b|[0-9a-f]{32}|(?<=overflow-)\w+|(?<=counterfoil-)\w{8}\b", "*", text)


def _database(connection: Any) -> str:
    return f"{ASIDE}: " if str(connection.engine.url).endswith(".new") else "SQLite: "


def _first_words(statement: str) -> str:
    return " ".join(statement.split()[:3])
