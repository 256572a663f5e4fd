"""Spark on two cores of this machine, and evidence that it made beside the batch's."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.ports.lake import TableStore
from counterfoil.steps.intake.collect import collect


def configuration(root: Path) -> dict[str, str]:
    return {
        "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "2g", "spark.log.level": "ERROR",
        "spark.sql.warehouse.dir": str(root / "warehouse"), "spark.local.dir": str(root / "local"),
        # Small data: to compile and re-plan a hundred stages takes longer than they do.
        "spark.sql.codegen.wholeStage": "false", "spark.sql.adaptive.enabled": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }  # fmt: skip


def collected(tables: TableStore, mapping: str, *paths: Path) -> None:
    collect(
        list(paths), load_mapping(mapping), key=bytes(32), reader=InputFiles(), tables=tables, ledger=MemoryLedger()
    )


def assert_same(spark: list[Path], duckdb: list[Path]) -> pa.Table:
    """Same columns, types, order and values; amounts to 1e-9 (all other features are exact), sines to 1e-12."""
    found, expected = (pa.concat_tables([pq.read_table(path) for path in paths]) for paths in (spark, duckdb))
    assert [(field.name, field.type) for field in found.schema] == [(f.name, f.type) for f in expected.schema]
    for name in expected.column_names:
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        assert one.is_null().equals(other.is_null()), name
        if "_amount_" in name or name.endswith(("_sin", "_cos")):
            scale = pc.max_element_wise(pc.abs(other), 1e-3)
            assert (pc.max(pc.divide(pc.abs(pc.subtract(one, other)), scale)).as_py() or 0) < 1e-9, name
        else:
            assert one.equals(other), name
    return expected
