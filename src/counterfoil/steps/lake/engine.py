"""DuckDB as the steps use it: in bounded memory, spilling to a folder, reaching for nothing outside."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from counterfoil.cores import cores
from counterfoil.errors import StoreUnavailableError
from counterfoil.steps.lake.interruption import ended_by_ctrl_c

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold in memory; beyond it goes to the overflow folder."""

_THROUGH_ARROW = ("Out of Memory Error", "IO Error")
"""How the same failures begin when they come out of Arrow's reader of a result, as OSError."""


@contextmanager
def engine(near: Path | None = None, memory: str = MEMORY_LIMIT) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an engine whose overflow folder, beside `near` or among the temporary files, goes when it is closed."""
    with (
        failures_told(),
        tempfile.TemporaryDirectory(prefix=".overflow-", dir=near) as overflow,
        open_engine(Path(overflow), memory) as database,
        ended_by_ctrl_c(database),
    ):
        yield database


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn DuckDB's failures with its files, such as a full disk, into StoreUnavailableError; Ctrl-C is itself."""
    try:
        yield
    except RuntimeError as error:
        if type(error) is RuntimeError and str(error) == "Query interrupted":  # how DuckDB tells of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except (duckdb.IOException, duckdb.OutOfMemoryException, OSError) as error:
        if isinstance(error, OSError) and not str(error).startswith(_THROUGH_ARROW):
            raise
        reason = str(error).partition("\n")[0]
        raise StoreUnavailableError(
            f"DuckDB could not go on ({reason}): make room on the disk and in memory, then run this again"
        ) from error


def open_engine(overflow: Path, memory: str = MEMORY_LIMIT, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that spills to `overflow` and reads all times as UTC.

    It holds `memory` at most and works on all cores of this process (`cores.cores`) unless told on how many `threads`.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(overflow),
        "threads": threads or cores(),
        # A step reads and writes folders only: nothing may be fetched.
        "autoinstall_known_extensions": False,
    }
    database = duckdb.connect(config=settings)
    # A notebook without ipywidgets has no bar, and DuckDB refuses there even to switch it off.
    if one_row(database, "SELECT current_setting('enable_progress_bar')")[0]:
        database.execute("SET enable_progress_bar = false")
    database.execute("SET TimeZone = 'UTC'")
    return database


def parquet_source(files: Sequence[Path | str]) -> str:
    """Return the rows of these files (one at least) as SQL takes them; a column that a file lacks is null."""
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def one_row(database: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """Run a query that gives exactly one row, and return it."""
    # fetchone() would leave the result open, and with it the connection.
    [row] = database.execute(query).fetchall()
    return tuple(row)
