"""The card year ten times over, as one file: other accounts and transaction ids each time, the same times."""

import shutil
import sys
from pathlib import Path

import duckdb

TIMES = 10


def write_tenfold(source: Path, target: Path, *, compressed: bool) -> Path:
    """Write `target` as CSV, plain or gzip, one copy after another. Its folder must exist."""
    part = target.with_name("part.tmp")
    with target.open("wb") as whole, duckdb.connect() as database:
        for copy in range(TIMES):
            database.execute(_copy_statement(source, part, copy, compressed))
            with part.open("rb") as file:  # gzip streams may follow one another in a file
                shutil.copyfileobj(file, whole, 1 << 20)
    part.unlink()
    return target


def _copy_statement(source: Path, part: Path, copy: int, compressed: bool) -> str:
    return (
        f"COPY (SELECT * REPLACE (EVENT_ID || '{copy}' AS EVENT_ID, ENTITY_ID || '-{copy}' AS ENTITY_ID) "
        f"FROM read_csv('{source}', all_varchar = true)) TO '{part}' "
        f"(FORMAT csv, HEADER {str(copy == 0).lower()}, COMPRESSION {'gzip' if compressed else 'none'})"
    )


if __name__ == "__main__":
    write_tenfold(Path(sys.argv[1]), Path(sys.argv[2]), compressed=sys.argv[2].endswith(".gz"))
