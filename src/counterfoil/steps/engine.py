"""DuckDB as the steps use it: in bounded memory, spilling to a folder, reaching for nothing outside."""

from pathlib import Path

import duckdb

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold in memory; beyond it goes to the overflow folder."""


def open_engine(overflow: Path) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that spills to `overflow` and reads all times as UTC."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(overflow),
        # A step reads and writes folders only: nothing may be fetched.
        "autoinstall_known_extensions": False,
    }
    database = duckdb.connect(config=settings)
    database.execute("SET enable_progress_bar = false")
    database.execute("SET TimeZone = 'UTC'")
    return database
