"""The card year many times over, as one file: other accounts, source IPs and ids each time, the same times."""

import shutil
import sys
from pathlib import Path

import duckdb

TIMES = 10
FIRST_OCTETS = 223


def write_copies(source: Path, target: Path, copies: range = range(TIMES)) -> Path:
    """Write the copies with these numbers to `target` as CSV, or gzip by its name. Its folder must exist."""
    compressed = target.name.endswith(".gz")
    part = target.with_name("part.tmp")
    with target.open("wb") as whole, duckdb.connect() as database:
        for copy in copies:
            database.execute(_copy_statement(source, part, copy, compressed, header=copy == copies[0]))
            with part.open("rb") as file:  # gzip streams may follow one another in a file
                shutil.copyfileobj(file, whole, 1 << 20)
    part.unlink()
    return target


def _copy_statement(source: Path, part: Path, copy: int, compressed: bool, *, header: bool) -> str:
    octet, rest = "split_part(ip_address, '.', 1)::INT", "substr(ip_address, strpos(ip_address, '.'))"
    return (
        f"COPY (SELECT * REPLACE (EVENT_ID || '{copy}' AS EVENT_ID, ENTITY_ID || '-{copy}' AS ENTITY_ID, "
        f"(({octet} + {copy}) % {FIRST_OCTETS} + 1) || {rest} AS ip_address) "
        f"FROM read_csv('{source}', all_varchar = true)) TO '{part}' "
        f"(FORMAT csv, HEADER {str(header).lower()}, COMPRESSION {'gzip' if compressed else 'none'})"
    )


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[3:]] or [0, TIMES]  # the first, and the one after the last
    write_copies(Path(sys.argv[1]), Path(sys.argv[2]), range(*numbers))
