"""QuickSight over the workgroup, if there is a QuickSight user to own it."""

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa
from aws_cdk import Aws
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from counterfoil.insights.queries import Query, queries
from counterfoil.insights.standing import answer_schemas, standing_text
from infra.parts.table_columns import CATALOGUED, Catalogued, glue_type

_OWN_SOURCE = (
    "DescribeDataSource",
    "DescribeDataSourcePermissions",
    "PassDataSource",
    "UpdateDataSource",
    "DeleteDataSource",
    "UpdateDataSourcePermissions",
)
_OWN_SET = (
    "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions",
    "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions",
)  # fmt: skip
_KINDS = {"bigint": "INTEGER", "int": "INTEGER", "tinyint": "INTEGER", "timestamp": "DATETIME", "date": "DATETIME"}
T = TypeVar("T")


class Dashboards(Construct):
    """A data source, and a data set for each question and for each table that may be shown.

    The dashboard over them is no part of the stack: it is changed in the browser too (`infra/quicksight.py`).
    """

    def __init__(self, scope: Construct, id: str, prefix: str, database: str, workgroup: str, owner: str) -> None:
        super().__init__(scope, id)
        self._owner, self._database = owner, database
        self.source = quicksight.CfnDataSource(
            self, "Source",
            aws_account_id=Aws.ACCOUNT_ID, data_source_id=prefix, name=prefix, type="ATHENA",
            data_source_parameters=quicksight.CfnDataSource.DataSourceParametersProperty(
                athena_parameters=quicksight.CfnDataSource.AthenaParametersProperty(work_group=workgroup)
            ),
            permissions=[self._permission(quicksight.CfnDataSource.ResourcePermissionProperty, _OWN_SOURCE)],
        )  # fmt: skip
        for table in CATALOGUED:
            if not table.restricted:  # those hold addresses
                self._table(table, prefix)
        for name, schema in answer_schemas(queries().values()).items():
            self._question(queries()[name], schema, prefix)

    def _permission(self, kind: Callable[..., T], actions: tuple[str, ...]) -> T:
        return kind(principal=self._owner, actions=[f"quicksight:{action}" for action in actions])

    def _table(self, table: Catalogued, prefix: str) -> None:
        kind = quicksight.CfnDataSet
        flat = [one for one in table.columns if not one.kind.startswith(("array", "struct"))]
        relation = kind.RelationalTableProperty(
            data_source_arn=self.source.attr_arn, schema=self._database, name=table.name, catalog="AwsDataCatalog",
            input_columns=[kind.InputColumnProperty(name=one.name, type=_kind(one.kind)) for one in flat],
        )  # fmt: skip
        self._set(table.name, prefix, kind.PhysicalTableProperty(relational_table=relation))

    def _question(self, query: Query, schema: pa.Schema, prefix: str) -> None:
        kind = quicksight.CfnDataSet
        asked = kind.CustomSqlProperty(
            data_source_arn=self.source.attr_arn, name=query.name, sql_query=standing_text(query),
            columns=[kind.InputColumnProperty(name=one.name, type=_kind(glue_type(one.type))) for one in schema],
        )  # fmt: skip
        self._set(query.name, prefix, kind.PhysicalTableProperty(custom_sql=asked))

    def _set(self, name: str, prefix: str, rows: quicksight.CfnDataSet.PhysicalTableProperty) -> None:
        kind = quicksight.CfnDataSet
        kind(
            self, name,
            aws_account_id=Aws.ACCOUNT_ID, data_set_id=f"{prefix}-{name}", name=f"{prefix} {name}",
            import_mode="DIRECT_QUERY", physical_table_map={"table": rows},
            permissions=[self._permission(kind.ResourcePermissionProperty, _OWN_SET)],
        )  # fmt: skip


def _kind(glue: str) -> str:
    return "DECIMAL" if glue.startswith(("decimal", "double", "float")) else _KINDS.get(glue, "STRING")
