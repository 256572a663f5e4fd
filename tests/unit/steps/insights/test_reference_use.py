"""The references of a release beside the scores that name them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.schemas import PRECEDENT
from counterfoil.errors import NotFoundError, ReleaseMismatchError
from counterfoil.steps.insights.reference_use import reference_use


class Base:
    """A store that holds the references of one release."""

    def read_base(self, release_id: str) -> pa.Table:
        assert release_id == "r1"
        return pa.table({"reference_id": ["f1", "f2", "g1", "g2", "g3"], "label": pa.array([1, 1, 0, 0, 0], pa.int8())})


def lake(root: Path, named: list[str], releases: list[str]) -> FolderTables:
    tables = FolderTables(root)
    precedents = [[{"reference_id": one, "label": int(one[0] == "f")} for one in names.split()] for names in named]
    scores = pa.table({"precedents": pa.array(precedents, pa.list_(PRECEDENT)), "release_id": releases})
    pq.write_table(scores, tables.stage("scores", "run") / "part-0.parquet")
    tables.publish("scores", "run")
    return tables


def test_each_side_is_counted_over_all_payments(tmp_path: Path) -> None:
    tables = lake(tmp_path, ["f1 g1 g2", "f1 g1", "f1 g1", "f2 g9"], ["r1"] * 4)
    use = reference_use(tables, Base(), "run", most=1)  # type: ignore[arg-type]
    assert (use.release_id, use.payments) == ("r1", 4)
    assert (use.fraud.references, use.fraud.dead, use.good.references, use.good.dead) == (2, 0, 3, 1)
    [fraud], [good] = use.fraud.dominant, use.good.dominant
    assert (fraud.reference_id, fraud.payments, good.reference_id, good.share) == ("f1", 3, "g1", 0.75)


def test_a_run_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no scores of run 'other'.*there are: run"):
        reference_use(lake(tmp_path, ["f1"], ["r1"]), Base(), "other")  # type: ignore[arg-type]


def test_two_releases_have_no_common_references(tmp_path: Path) -> None:
    tables = lake(tmp_path, ["f1", "f2"], ["r1", "r2"])
    with pytest.raises(ReleaseMismatchError, match=r"scored by 2 releases \(r1, r2\)"):
        reference_use(tables, Base(), "run")  # type: ignore[arg-type]
