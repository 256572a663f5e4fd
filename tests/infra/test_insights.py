"""The catalogue, the workgroup and QuickSight."""

import pyarrow as pa
import pytest
import sqlglot
import sqlglot.expressions as exp
from aws_cdk.assertions import Match, Template
from synthesised import Synthesised

from counterfoil.domain.tables import PUBLISHED_TABLES, TABLES
from counterfoil.errors import UsageError
from counterfoil.insights.queries import queries
from infra.parts.table_columns import CATALOGUED, glue_type


def _insights(synthesised: Synthesised) -> Template:
    return Template.from_json(synthesised.templates["counterfoil-prod-insights"])


def test_glue_has_every_published_table_with_its_words(prod: Synthesised) -> None:
    tables = {table["TableInput"]["Name"]: table["TableInput"] for table in prod.properties("AWS::Glue::Table")}
    assert tables.keys() == set(PUBLISHED_TABLES)
    for table in tables.values():
        assert table["Description"]
        assert all(column["Comment"] for column in table["StorageDescriptor"]["Columns"])
    assert [key["Name"] for key in tables["transactions"]["PartitionKeys"]] == ["event_date", "run"]
    assert [key["Name"] for key in tables["scores"]["PartitionKeys"]] == ["run"]
    # A projected table would show runs that no manifest names: partitions are registered by the step publish.
    assert not any(name.startswith("projection.") for table in tables.values() for name in table["Parameters"])


@pytest.mark.parametrize("table", [table for table in TABLES if table.name in PUBLISHED_TABLES], ids=lambda t: t.name)
def test_glue_types_are_those_that_the_step_publish_gives(table: object) -> None:
    """awswrangler, which `publish` uses, calls each type the same."""
    import awswrangler

    schema = table.schema  # type: ignore[attr-defined]
    theirs = awswrangler._data_types.athena_types_from_pyarrow_schema(schema)
    [ours] = [one for one in CATALOGUED if one.name == table.name]  # type: ignore[attr-defined]
    kinds = {column.name: column.kind for column in ours.columns}
    assert kinds == {name: kind.replace(", ", ",") for name, kind in theirs.items() if name in kinds}


def test_a_type_without_a_name_in_glue_is_refused() -> None:
    with pytest.raises(UsageError, match="Arrow type time64"):
        glue_type(pa.time64("us"))


def test_a_question_cannot_leave_the_workgroup_s_limits(prod: Synthesised) -> None:
    _insights(prod).has_resource_properties(
        "AWS::Athena::WorkGroup",
        {
            "WorkGroupConfiguration": Match.object_like(
                {
                    "EnforceWorkGroupConfiguration": True,
                    "BytesScannedCutoffPerQuery": 100 * 1024**3,
                    "ResultConfiguration": Match.object_like(
                        {"EncryptionConfiguration": Match.object_like({"EncryptionOption": "SSE_KMS"})}
                    ),
                }
            )
        },
    )


def test_every_question_is_a_named_query(prod: Synthesised) -> None:
    named = {query["Name"]: query for query in prod.properties("AWS::Athena::NamedQuery")}
    assert named.keys() == queries().keys()
    for name, query in named.items():
        assert query["Description"] == queries()[name].question
        tree = sqlglot.parse_one(query["QueryString"], read="athena")
        assert not list(tree.find_all(exp.Placeholder)), name
        assert {table.name for table in tree.find_all(exp.Table) if table.name} <= {one.name for one in CATALOGUED}


def test_tasks_ask_the_database_that_the_catalogue_makes(prod: Synthesised) -> None:
    [database] = prod.properties("AWS::Glue::Database")
    told = {
        variable["Value"]
        for definition in prod.properties("AWS::ECS::TaskDefinition")
        for variable in definition["ContainerDefinitions"][0]["Environment"]
        if variable["Name"] == "COUNTERFOIL_GLUE_DATABASE"
    }
    assert told == {database["DatabaseInput"]["Name"]}


def test_quicksight_asks_within_the_workgroup_s_limits(prod: Synthesised) -> None:
    [source] = prod.properties("AWS::QuickSight::DataSource")
    [workgroup] = prod.properties("AWS::Athena::WorkGroup")
    assert source["DataSourceParameters"] == {"AthenaParameters": {"WorkGroup": workgroup["Name"]}}


def test_quicksight_shows_no_restricted_table(prod: Synthesised, dev: Synthesised) -> None:
    shown = {s["Name"].rpartition(" ")[2] for s in prod.properties("AWS::QuickSight::DataSet")}
    assert shown == {table.name for table in CATALOGUED if not table.restricted} | queries().keys()
    assert "addresses" not in shown
    for one in prod.properties("AWS::QuickSight::DataSet"):
        [rows] = one["PhysicalTableMap"].values()
        [(_, relation)] = rows.items()
        names = {column["Name"] for column in relation.get("Columns", relation.get("InputColumns"))}
        assert names, one["Name"]
        assert "address" not in names
    assert not dev.of("AWS::QuickSight::DataSet")
