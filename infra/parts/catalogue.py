"""The lake's tables in Glue, with columns and comments, for Athena and QuickSight."""

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.parts.table_columns import CATALOGUED, Catalogued

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class Catalogue(Construct):
    """The database and its tables. Partitions follow the manifests: the step `publish` adds and moves them."""

    def __init__(self, scope: Construct, id: str, database: str, lake_bucket: str) -> None:
        super().__init__(scope, id)
        self.database = glue.CfnDatabase(
            self, "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(name=database, description="Tables of Counterfoil"),
        )  # fmt: skip
        for table in CATALOGUED:
            made = self._table(table, database, f"s3://{lake_bucket}/lake/{table.name}/runs/")
            made.node.add_dependency(self.database)

    def _table(self, table: Catalogued, database: str, location: str) -> glue.CfnTable:
        column = glue.CfnTable.ColumnProperty
        return glue.CfnTable(
            self, table.name,
            catalog_id=Aws.ACCOUNT_ID, database_name=database,
            table_input=glue.CfnTable.TableInputProperty(
                name=table.name, description=table.meaning, table_type="EXTERNAL_TABLE",
                parameters={"classification": "parquet", "EXTERNAL": "TRUE"},
                partition_keys=[column(name=name, type=kind) for name, kind in table.partitions.items()],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    location=location,
                    columns=[column(name=one.name, type=one.kind, comment=one.comment) for one in table.columns],
                    input_format=f"{_PARQUET}.MapredParquetInputFormat",
                    output_format=f"{_PARQUET}.MapredParquetOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=f"{_PARQUET}.serde.ParquetHiveSerDe",
                        parameters={"serialization.format": "1"},
                    ),
                ),
            ),
        )  # fmt: skip
