"""Count how often the scores of a run name each reference of their release."""

from counterfoil.domain.evaluation.reference_use import ReferenceUse, side_use
from counterfoil.domain.schemas import FRAUD
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore
from counterfoil.steps.insights.scores import run_files, single_release
from counterfoil.steps.lake.engine import engine, parquet_source


def reference_use(tables: TableStore, references: ReferenceStore, run: str, *, most: int = 10) -> ReferenceUse:
    """Return which references the payments of a run were compared with, and which were never named.

    Raises NotFoundError if the run was not published or has no payments, ReleaseMismatchError if several releases
    scored it, and what the store raises if the release's references are gone.
    """
    source = parquet_source(run_files(tables, run))
    with engine() as database:
        releases = [row[0] for row in database.sql(f"SELECT DISTINCT release_id FROM {source}").fetchall()]
        release_id = single_release(releases, run)
        [(payments,)] = database.sql(f"SELECT count(*) FROM {source}").fetchall()
        named = database.sql(
            f"SELECT named.reference_id, count(*) FROM (SELECT unnest(precedents) AS named FROM {source}) GROUP BY ALL"
        ).fetchall()
    base = references.read_base(release_id).select(["reference_id", "label"]).to_pylist()
    fraud, good = (
        side_use(
            frozenset(row["reference_id"] for row in base if (row["label"] == FRAUD) is is_fraud),
            dict(named),
            payments,
            most=most,
        )
        for is_fraud in (True, False)
    )
    return ReferenceUse(release_id, payments, fraud, good)
