"""The dashboard of QuickSight: its definition stands in `quicksight.json`; this puts it there and brings changes back.

`python -m infra.quicksight push counterfoil-dev` creates or updates the dashboard; `... export counterfoil-dev` writes
what was changed in the browser into `quicksight.json`, to be read and committed like any other change.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.errors import CounterfoilError, StoreUnavailableError, UsageError

DEFINITION = Path(__file__).with_suffix(".json")
_SETS = "DataSetIdentifierDeclarations"
_READ = (
    "DescribeDashboard", "ListDashboardVersions", "QueryDashboard", "UpdateDashboard", "DeleteDashboard",
    "UpdateDashboardPermissions", "DescribeDashboardPermissions", "UpdateDashboardPublishedVersion",
)  # fmt: skip
_TRIES, _SECONDS = 60, 2.0


def definition(prefix: str, account: str, region: str, partition: str = "aws") -> dict[str, Any]:
    """The dashboard's definition over the data sets that the stack of this prefix made."""
    text: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    home = f"arn:{partition}:quicksight:{region}:{account}:dataset/{prefix}-"
    sets = [{"Identifier": name, "DataSetArn": home + name} for name in text[_SETS]]
    return {**text, _SETS: sets}


def push(
    client: Any, prefix: str, account: str, owner: str, *, partition: str = "aws",
    wait: Callable[[float], None] = time.sleep,
) -> str:  # fmt: skip
    """Create the dashboard, or update it and publish the new version; return what was done.

    Raises StoreUnavailableError with QuickSight's reasons if it refuses the definition.
    """
    wanted = definition(prefix, account, client.meta.region_name, partition)
    common = {"AwsAccountId": account, "DashboardId": prefix}
    with aws_reported(f"QuickSight dashboard {prefix!r}"):
        if not _exists(client, common):
            actions = [f"quicksight:{action}" for action in _READ]
            client.create_dashboard(
                **common, Name=prefix, Definition=wanted, Permissions=[{"Principal": owner, "Actions": actions}]
            )
            return "created"
        made = client.update_dashboard(**common, Name=prefix, Definition=wanted)
        version = int(made["VersionArn"].rpartition("/")[2])
        _require_made(client, common, version, wait)
        client.update_dashboard_published_version(**common, VersionNumber=version)
    return f"updated to version {version}"


def export(client: Any, prefix: str, account: str) -> dict[str, Any]:
    """The published dashboard's definition as it stands in `quicksight.json`: data sets by name, no account.

    Raises UsageError if the dashboard reads a data set that the stack does not make.
    """
    with aws_reported(f"QuickSight dashboard {prefix!r}"):
        found = client.describe_dashboard_definition(AwsAccountId=account, DashboardId=prefix)["Definition"]
    for one in found[_SETS]:
        if not one["DataSetArn"].endswith(f":dataset/{prefix}-{one['Identifier']}"):
            raise UsageError(
                f"the dashboard reads {one['DataSetArn']} as {one['Identifier']!r}, which no stack makes: "
                "let it read a question's data set, under the question's name"
            )
    return {**found, _SETS: sorted(one["Identifier"] for one in found[_SETS])}


def written(found: dict[str, Any]) -> str:
    """The definition as text: sorted, so that a change is a small difference."""
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _exists(client: Any, common: dict[str, str]) -> bool:
    try:
        client.describe_dashboard(**common)
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _require_made(client: Any, common: dict[str, str], version: int, wait: Callable[[float], None]) -> None:
    """Wait until QuickSight has made the version."""
    for _ in range(_TRIES):
        found = client.describe_dashboard(**common, VersionNumber=version)["Dashboard"]["Version"]
        if found["Status"].endswith("_SUCCESSFUL"):
            return
        if found["Status"].endswith("_FAILED"):
            reasons = "; ".join(error.get("Message", "") for error in found.get("Errors", []))
            raise StoreUnavailableError(f"QuickSight refused version {version} of the dashboard: {reasons}")
        wait(_SECONDS)
    raise StoreUnavailableError(f"version {version} is not ready after {_TRIES * _SECONDS:.0f} s: push again")


def main(arguments: Sequence[str] | None = None) -> None:
    """Push or export the dashboard of an environment. Exit codes as the command line's."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("action", choices=["push", "export"])
    parser.add_argument("prefix", help="The environment's prefix, such as counterfoil-dev")
    parser.add_argument("--owner", help="ARN of the QuickSight user who owns a new dashboard (push needs it)")
    asked = parser.parse_args(arguments)
    try:
        with aws_reported("AWS's account"):
            who = aws_client("sts").get_caller_identity()
        client, account, partition = aws_client("quicksight"), who["Account"], who["Arn"].split(":")[1]
        if asked.action == "export":
            DEFINITION.write_text(written(export(client, asked.prefix, account)), encoding="utf-8")
            print(f"written to {DEFINITION}")  # noqa: T201 the command's own voice
        elif asked.owner is None:
            raise UsageError("push needs --owner, the ARN of a QuickSight user")
        else:
            print(push(client, asked.prefix, account, asked.owner, partition=partition))  # noqa: T201
    except CounterfoilError as error:
        print(f"counterfoil: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    main()
