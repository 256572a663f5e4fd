"""Detection as the published system does it, written from its description.

For each 1,000 payments the sentence model is loaded anew, the scaler and the one-hot are fitted on those very
rows, all text columns of a row are glued together without separators and encoded, the vector is padded or cut
to 847 columns, and one query per payment reads the whole table of known frauds, which has no index.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from counterfoil.adapters.text import embedder as encoders

WIDTH = 847
CHUNK = 1000
TABLE = "published_reference"
_TIMES = ("EVENT_TIMESTAMP", "LABEL_TIMESTAMP")
_NUMBERS = ("order_price", "billing_latitude", "billing_longitude", "billing_zip")
_CATEGORIES = ("product_category", "payment_currency", "billing_state")
_QUERY = f"SELECT MAX(1 - (embedding <=> %s)) FROM {TABLE}"


def payments(path: Path, condition: str, rows: int) -> pd.DataFrame:
    """The first payments of a raw file that meet an SQL condition, all columns as text."""
    query = f"FROM read_csv($file, all_varchar = true) WHERE {condition} ORDER BY EVENT_TIMESTAMP LIMIT {rows}"
    with duckdb.connect() as database:
        return database.execute(query, {"file": str(path)}).df().fillna("")


def encode(rows: pd.DataFrame) -> np.ndarray:
    """Vectors of one chunk: model loaded, scaler and one-hot fitted, here and now."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(encoders._folder(encoders.BUNDLED)), device="cpu")
    words = model.encode(glued(rows), show_progress_bar=False)
    numbers = StandardScaler().fit_transform(_numbers(rows))
    categories = OneHotEncoder(sparse_output=False).fit_transform(rows[list(_CATEGORIES)])
    vectors = np.hstack([numbers, words, categories]).astype(np.float32)
    return np.pad(vectors[:, :WIDTH], ((0, 0), (0, max(0, WIDTH - vectors.shape[1]))))


def glued(rows: pd.DataFrame) -> list[str]:
    """All text of a row, nothing between the columns."""
    text = [name for name in rows.columns if name not in (*_TIMES, *_NUMBERS, *_CATEGORIES, "EVENT_LABEL")]
    return rows[text].agg("".join, axis=1).tolist()


def _numbers(rows: pd.DataFrame) -> np.ndarray:
    numbers = [pd.to_numeric(rows[name], errors="coerce").fillna(0) for name in _NUMBERS]
    for name in _TIMES:
        moment = pd.to_datetime(rows[name], utc=True)
        numbers += [getattr(moment.dt, part) for part in ("year", "month", "day", "hour", "minute", "second")]
    return np.column_stack(numbers).astype(np.float64)


@contextmanager
def fraud_table(dsn: str, vectors: np.ndarray) -> Iterator[psycopg.Connection]:
    """A connection to the table of known frauds, without an index; the table goes at the end."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        register_vector(connection)
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        connection.execute(f"CREATE UNLOGGED TABLE {TABLE} (embedding vector({WIDTH}))")
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s)", [(Vector(row),) for row in vectors])
        connection.execute(f"ANALYZE {TABLE}")
        try:
            yield connection
        finally:
            connection.execute(f"DROP TABLE {TABLE}")


def ask(connection: psycopg.Connection, vectors: np.ndarray) -> list[float]:
    """One query per payment."""
    found = (connection.execute(_QUERY, (Vector(row),)).fetchone() for row in vectors)
    return [row[0] for row in found if row is not None]
