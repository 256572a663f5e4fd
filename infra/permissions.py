"""Who may do what, read from the templates: `python -m infra.permissions FOLDER` writes infra/permissions.md.

A role's rights stand in three places of a template (its inline policies, policies that name it, managed ones):
here they stand together, with the reason of each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.command_line import templates_folder
from infra.parts.rights import REASONS

PAGE = Path(__file__).with_name("permissions.md")
_HEAD = """# Who may do what

Made by `make synth` from the templates of prod with all options; a test fails if this page is not what they say.
`*` stands only where infra/parts/rights.py (`WIDE`) says why. Account, region and partition are left out of names.

"""


@dataclass(frozen=True)
class Permission:
    """One statement of a role's policy."""

    role: str
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Any]
    effect: str = "Allow"


def permissions(templates: Mapping[str, Mapping[str, Any]]) -> list[Permission]:
    """All statements of all roles, ordered by role."""
    found = [one for template in templates.values() for one in _of_template(template)]
    return sorted(found, key=lambda one: one.role)


def _of_template(template: Mapping[str, Any]) -> Iterator[Permission]:
    resources = template.get("Resources", {})
    names = {id: _role_name(id, one) for id, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    for id, one in resources.items():
        properties = one.get("Properties", {})
        if one["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                yield from _statements(names[id], policy["PolicyDocument"])
            for managed in properties.get("ManagedPolicyArns", []):
                yield Permission(names[id], "", (f"managed policy {_text(managed)}",), (), {})
        if one["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for role in properties.get("Roles", []):
                yield from _statements(names.get(role.get("Ref"), _text(role)), properties["PolicyDocument"])


def _role_name(id: str, role: Mapping[str, Any]) -> str:
    return str(role["Properties"].get("RoleName", id))


def _statements(role: str, document: Mapping[str, Any]) -> Iterator[Permission]:
    for one in document["Statement"]:
        yield Permission(
            role, one.get("Sid", ""), tuple(_listed(one["Action"])), tuple(map(_text, _listed(one["Resource"]))),
            one.get("Condition", {}), one["Effect"],
        )  # fmt: skip


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """A value of a template in words: references by the name of what they refer to."""
    if isinstance(value, str):
        return value
    [(function, argument)] = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(_text(part) for part in argument[1])
    if function == "Fn::ImportValue":
        return (
            f"<{str(argument).rpartition('Exports')[2].removeprefix('OutputRef').removeprefix('OutputFnGetAtt')[:-8]}>"
        )
    name = ".".join(argument) if isinstance(argument, list) else str(argument)
    return f"<{name}>"


def why(permission: Permission) -> str:
    """The reason of a permission: that of its id, or what the CDK needs it for. Raises KeyError without one."""
    if permission.sid:
        return REASONS[permission.sid.rstrip("0123456789")]
    return BY_THE_CDK[permission.actions[0]]


BY_THE_CDK = {
    "logs:CreateLogStream": "flow logs of the network",
    "sqs:SendMessage": "starts that failed are kept",
}
"""Statements that a construct of the CDK writes, by their first action."""


def page(found: Sequence[Permission]) -> str:
    """The page: a table for each role."""
    parts = [_HEAD]
    for role in sorted({one.role for one in found}):
        parts.append(f"## {role}\n\n| what | on | if | why |\n|---|---|---|---|\n")
        for one in (one for one in found if one.role == role):
            on = "<br>".join(_short(resource) for resource in one.resources)
            only = _short(json.dumps(one.conditions)) if one.conditions else ""
            parts.append(f"| {'<br>'.join(one.actions)} | {on} | {only} | {why(one)} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _short(text: str) -> str:
    shorter = text.replace("<AWS::AccountId>", "").replace("<AWS::Region>", "").replace("arn:<AWS::Partition>:", "")
    for reference in ('{"Ref": "AWS::AccountId"}', '{"Ref": "AWS::Region"}', '{"Ref": "AWS::Partition"}'):
        shorter = shorter.replace(reference, "...")
    return "`" + shorter.replace("|", "\\|") + "`"


def main(folder: Path) -> None:
    """Write the page from the templates in `folder`."""
    templates = {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.template.json"))}
    PAGE.write_text(page(permissions(templates)), encoding="utf-8")


if __name__ == "__main__":
    main(templates_folder(__doc__))
