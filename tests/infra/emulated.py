"""Our stacks in moto: what its CloudFormation can make and unmake of a template, deployed as CloudFormation would.

Moto ignores types that it does not know, but stumbles over references to them; others it makes and cannot delete. All
these are left out, and what refers to them gets an ARN that names them. Secrets and Glue's tables, which moto has
behind their own APIs, are made there from the same templates.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from synthesised import Synthesised

from infra.deploy.place import Place

Template = Mapping[str, Any]
Known = Mapping[str, Mapping[str, str]]
"""Values of resources by logical id and attribute; 'Ref' is one."""

ACCOUNT = "123456789012"
STACKS = ("network", "lake", "training", "scoring", "streams", "insights")
_STAND_INS: Known = {"AWS::RDS::DBParameterGroup": {"Ref": "default.postgres17"}}
"""By type: moto gives its own object, not its name, to the database that refers to it."""
_LEFT_BY_STACKS = "AWS::ECS::TaskDefinition"
"""Moto's stacks leave it behind; AWS's leave every revision that was registered since. So it must be removed anyway."""


class Emulated:
    """An environment in moto, as far as moto goes."""

    def __init__(self, place: Place, templates: Synthesised) -> None:
        self.place = place
        self.templates = templates.templates

    def deploy(self) -> dict[str, int]:
        """Deploy all stacks; return how many resources of each type stand."""
        self.place.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        for stack in ("counterfoil-repositories", *(f"{self.place.prefix}-{name}" for name in STACKS)):
            known = self._secrets(stack)
            self._create(stack, taken(self.templates[stack], known))
        self._glue()
        return self._standing()

    def environment(self, task: str) -> dict[str, str]:
        """The settings that a container of a task gets, as ECS has them."""
        found = self.place.client("ecs").describe_task_definition(taskDefinition=f"{self.place.prefix}-{task}")
        [container] = found["taskDefinition"]["containerDefinitions"]
        return {one["name"]: one["value"] for one in container["environment"]}

    def remove_catalogue(self) -> None:
        """Delete what CloudFormation would, had it made these tables."""
        self.place.client("glue").delete_database(Name=self.glue_database)

    @cached_property
    def glue_database(self) -> str:
        """The database of Glue, by its template."""
        [database] = self.properties("AWS::Glue::Database")
        return str(database["DatabaseInput"]["Name"])

    def properties(self, kind: str) -> list[dict[str, Any]]:
        """The properties of all resources of a type, their references filled in."""
        found = [one for template in self.templates.values() for one in template["Resources"].values()]
        return [filled(one["Properties"]) for one in found if one["Type"] == kind]

    def _create(self, stack: str, template: Template) -> None:
        s3, bucket = self.place.client("s3"), "templates"  # larger ones than 51,200 bytes come from S3
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.place.environment.region})
        s3.put_object(Bucket=bucket, Key=stack, Body=json.dumps(template))
        self.place.client("cloudformation").create_stack(
            StackName=stack, TemplateURL=f"https://{bucket}.s3.amazonaws.com/{stack}",
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )  # fmt: skip
        s3.delete_object(Bucket=bucket, Key=stack)
        s3.delete_bucket(Bucket=bucket)

    def _secrets(self, stack: str) -> Known:
        """Make the stack's secrets; return their ARNs by logical id."""
        api, made = self.place.client("secretsmanager"), {}
        for name, one in self.templates[stack]["Resources"].items():
            if one["Type"] == "AWS::SecretsManager::Secret":
                wanted = filled(one["Properties"])
                drawn = wanted.get("GenerateSecretString", {})
                rules = {name: drawn[name] for name in ("PasswordLength", "ExcludePunctuation") if name in drawn}
                text = wanted.get("SecretString") or api.get_random_password(**rules)["RandomPassword"]
                arn = api.create_secret(Name=wanted["Name"], SecretString=text)["ARN"]
                made[name] = {"Ref": arn}
        return made

    def _glue(self) -> None:
        glue = self.place.client("glue")
        [database] = self.properties("AWS::Glue::Database")
        glue.create_database(DatabaseInput=database["DatabaseInput"])
        for table in self.properties("AWS::Glue::Table"):
            glue.create_table(DatabaseName=table["DatabaseName"], TableInput=table["TableInput"])

    def _standing(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        api = self.place.client("cloudformation")
        for stack in api.describe_stacks()["Stacks"]:
            for one in api.describe_stack_resources(StackName=stack["StackName"])["StackResources"]:
                counted[one["ResourceType"]] = counted.get(one["ResourceType"], 0) + 1
        return counted


def taken(template: Template, known: Known) -> dict[str, Any]:
    """The part of a template that moto's CloudFormation makes and unmakes; `known` is there without it."""
    resources, models = template["Resources"], _models()
    known = {**known, **{name: _STAND_INS[one["Type"]] for name, one in resources.items() if one["Type"] in _STAND_INS}}
    kept = {name: one for name, one in resources.items() if one["Type"] in models and name not in known}

    def value(name: str, attribute: str) -> str | None:
        if name in known:
            return known[name][attribute]
        there = name in kept and (attribute == "Ref" or models[kept[name]["Type"]].has_cfn_attr(attribute))
        return None if there or name not in resources else f"arn:aws:absent:eu-west-1:{ACCOUNT}:{name}/{attribute}"

    made = {name: _made(one, value) for name, one in kept.items()}
    outputs = {name: _replaced(one, value) for name, one in template.get("Outputs", {}).items()}
    return {"Resources": made, "Outputs": outputs}


def _made(resource: Template, value: Any) -> dict[str, Any]:
    """A resource for moto, which knows one word for what outlives its stack."""
    stays = {"DeletionPolicy": "Retain"} if resource.get("DeletionPolicy", "").startswith("Retain") else {}
    return {"Type": resource["Type"], "Properties": _replaced(resource.get("Properties", {}), value), **stays}


def _models() -> dict[str, Any]:
    """What moto's CloudFormation makes and unmakes, by type."""
    from moto.cloudformation import parsing

    def can_go(model: Any) -> bool:
        return hasattr(model, "delete") or not hasattr(model.delete_from_cloudformation_json, "__isabstractmethod__")

    models = parsing.get_model_map()
    return {kind: model for kind, model in models.items() if can_go(model) or kind == _LEFT_BY_STACKS}


def filled(part: Any) -> Any:
    """A part of a template whose references are texts; those to other resources name them."""
    pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Region": "eu-west-1", "AWS::Partition": "aws"}
    return _joined(_replaced(part, lambda name, attribute: pseudo.get(name, f"{name}.{attribute}")))


def _joined(part: Any) -> Any:
    if isinstance(part, list):
        return [_joined(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.keys() == {"Fn::Join"}:
        between, parts = part["Fn::Join"]
        return str(between).join(_joined(one) for one in parts)
    return {name: _joined(one) for name, one in part.items()}


def _replaced(part: Any, value: Any) -> Any:
    """A part of a template whose references are replaced where `value` has something for them."""
    if isinstance(part, list):
        return [_replaced(one, value) for one in part]
    if not isinstance(part, dict):
        return part
    if part.keys() in ({"Ref"}, {"Fn::GetAtt"}):
        [of] = part.values()
        found = value(of, "Ref") if "Ref" in part else value(*of)
        return part if found is None else found
    return {name: _replaced(one, value) for name, one in part.items()}
