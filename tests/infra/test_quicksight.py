"""The dashboard's definition: every column it names is there, QuickSight's API takes it, changes come back."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.insights.queries import queries
from counterfoil.insights.standing import answer_schemas
from infra.quicksight import DEFINITION, definition, export, main, push, written

ACCOUNT, REGION, PREFIX = "123456789012", "eu-central-1", "counterfoil-dev"
OWNER = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/ann"
WHERE = {"AwsAccountId": ACCOUNT, "DashboardId": PREFIX}
WANTED = definition(PREFIX, ACCOUNT, REGION)


def _client(url: str | None = None) -> Any:
    return boto3.client(
        "quicksight", REGION, endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


def _all(node: Any, key: str) -> Iterator[Any]:
    """Every value that stands under this key, at whatever depth."""
    if isinstance(node, dict):
        yield from ([node[key]] if key in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _all(part, key)


@pytest.fixture(scope="module")
def columns() -> dict[str, set[str]]:
    """The columns of each question's answer."""
    return {name: set(schema.names) for name, schema in answer_schemas(queries().values()).items()}


def test_every_column_and_data_set_is_there(columns: dict[str, set[str]]) -> None:
    named = [one["Identifier"] for one in WANTED["DataSetIdentifierDeclarations"]]
    assert len(named) > 10
    used = list(_all(WANTED["Sheets"], "Column"))
    assert {one["DataSetIdentifier"] for one in used} == set(named)
    for one in used:
        assert one["ColumnName"] in columns[one["DataSetIdentifier"]], one
    fields = list(_all(WANTED["Sheets"], "FieldId"))
    assert len(fields) == len(set(fields))


def test_there_is_a_sheet_for_executives_operations_and_data_quality() -> None:
    assert [sheet["Name"] for sheet in WANTED["Sheets"]] == ["Executives", "Fraud operations", "Data quality"]
    for sheet in WANTED["Sheets"]:
        visuals = [body for visual in sheet["Visuals"] for body in visual.values()]
        assert all(body["Title"]["FormatText"]["PlainText"] and body["VisualContentAltText"] for body in visuals)
        placed = list(_all(sheet["Layouts"], "ElementId"))
        assert placed == [body["VisualId"] for body in visuals]
        charts = [v for v in sheet["Visuals"] if "LineChartVisual" in v or "BarChartVisual" in v]
        assert all(len(list(_all(chart, "CustomLabel"))) == 2 for chart in charts), "an axis has no label"


def test_money_is_never_added_across_currencies() -> None:
    money = {"volume", "loss", "spend", "amount_alerted"}
    for visual in (visual for sheet in WANTED["Sheets"] for visual in sheet["Visuals"]):
        used = {one["ColumnName"] for one in _all(visual, "Column")}
        assert not used & money or "currency" in used, visual


@pytest.mark.slow
def test_a_dashboard_is_created_and_keeps_the_definition(aws: str) -> None:
    client = _client(aws)
    assert push(client, PREFIX, ACCOUNT, OWNER) == "created"
    made = client.describe_dashboard(**WHERE)["Dashboard"]
    assert made["Name"] == PREFIX
    assert [one["DashboardId"] for one in client.list_dashboards(AwsAccountId=ACCOUNT)["DashboardSummaryList"]] == [
        PREFIX
    ]


class TestAnUpdate:
    """moto has no update_dashboard: botocore's Stubber checks each request against QuickSight's own model."""

    def _stubbed(self, status: str, **errors: Any) -> tuple[Any, Stubber]:
        client = _client()
        stub = Stubber(client)
        stub.add_response("describe_dashboard", {"Dashboard": {"DashboardId": PREFIX}}, WHERE)
        arn = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:dashboard/{PREFIX}/version/7"
        stub.add_response("update_dashboard", {"VersionArn": arn}, {**WHERE, "Name": PREFIX, "Definition": WANTED})
        version = {"Dashboard": {"Version": {"Status": status, **errors}}}
        stub.add_response("describe_dashboard", version, {**WHERE, "VersionNumber": 7})
        stub.activate()
        return client, stub

    def test_publishes_the_version_once_it_is_made(self) -> None:
        client, stub = self._stubbed("CREATION_IN_PROGRESS")
        made = {"Dashboard": {"Version": {"Status": "CREATION_SUCCESSFUL"}}}
        stub.add_response("describe_dashboard", made, {**WHERE, "VersionNumber": 7})
        stub.add_response("update_dashboard_published_version", {}, {**WHERE, "VersionNumber": 7})
        waited: list[float] = []
        assert push(client, PREFIX, ACCOUNT, OWNER, wait=waited.append) == "updated to version 7"
        assert len(waited) == 1
        stub.assert_no_pending_responses()

    def test_that_is_refused_leaves_the_published_version_and_says_why(self) -> None:
        errors = [{"Type": "COLUMN_TYPE_MISMATCH", "Message": "column loss is gone"}]
        client, stub = self._stubbed("CREATION_FAILED", Errors=errors)
        with pytest.raises(StoreUnavailableError, match="refused version 7 of the dashboard: column loss is gone"):
            push(client, PREFIX, ACCOUNT, OWNER)
        stub.assert_no_pending_responses()


class TestAnExport:
    def _exported(self, found: dict[str, Any]) -> dict[str, Any]:
        client = _client()
        with Stubber(client) as stub:
            stub.add_response("describe_dashboard_definition", {"Definition": found}, WHERE)
            return export(client, PREFIX, ACCOUNT)

    def test_brings_back_what_was_pushed(self) -> None:
        assert written(self._exported(WANTED)) == DEFINITION.read_text(encoding="utf-8")

    def test_brings_back_a_change_and_no_account(self) -> None:
        changed = json.loads(json.dumps(WANTED))
        changed["Sheets"][0]["Name"] = "Board"
        text = written(self._exported(changed))
        assert '"Name": "Board"' in text
        assert ACCOUNT not in text

    def test_of_a_data_set_that_no_stack_makes_is_refused(self) -> None:
        strange = {"Identifier": "mine", "DataSetArn": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:dataset/mine"}
        with pytest.raises(UsageError, match=r"reads arn:.*:dataset/mine as 'mine', which no stack makes"):
            self._exported({**WANTED, "DataSetIdentifierDeclarations": [strange]})


@pytest.mark.usefixtures("aws")
def test_a_push_without_an_owner_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["push", PREFIX])
    assert ended.value.code == 2
    assert "push needs --owner" in capsys.readouterr().err
