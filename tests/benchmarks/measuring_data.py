"""Where the measuring data are. They are never part of the project."""

import os
import sys
from pathlib import Path

TRANSACTIONS_2019 = "transactions_2019.csv.gz"
HANDBOOK = "handbook_transactions.parquet"


def data_file(name: str) -> Path:
    """Return a file of the measuring data; end the program with a clear message where it is absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    path = Path(os.environ.get("COUNTERFOIL_SHARED_DATA", beside)) / name
    if not path.is_file():
        sys.exit(f"no {name} in {path.parent}: set COUNTERFOIL_SHARED_DATA to the folder with the measuring data")
    return path.resolve()
