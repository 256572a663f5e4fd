"""Roles of the steps, the pipelines, what starts them, MLflow, and a scientist's profile."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template
from synthesised import Synthesised

from counterfoil.workspace.settings import PipelineSettings
from infra.parts.step_roles import NEEDS
from pipelines.catalogue import JOBS, definition


def _training(synthesised: Synthesised) -> Template:
    return Template.from_json(synthesised.templates["counterfoil-prod-training"])


def _filled(text: Any) -> str:
    """A value of a template with made-up names for what CloudFormation fills in."""
    if isinstance(text, str):
        return text
    [(function, argument)] = text.items()
    if function == "Fn::Join":
        return str(argument[0]).join(_filled(part) for part in argument[1])
    if function == "Ref":
        return str({"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1"}.get(argument, argument))
    # The SDK asks IAM about a role whose name has no slash.
    return "later/" + "-".join(argument if isinstance(argument, list) else [str(argument).replace(":", "-")])


def test_every_step_has_a_role_of_its_own(prod: Synthesised) -> None:
    assert NEEDS.keys() == JOBS.keys()
    names = {role.get("RoleName") for role in prod.properties("AWS::IAM::Role")}
    assert {f"counterfoil-prod-step-{step}" for step in JOBS} <= names


@pytest.mark.parametrize("name", ["training", "detection"])
def test_a_pipeline_is_the_product_s_own_definition(prod: Synthesised, name: str) -> None:
    """What CloudFormation gives SageMaker is what the deploy script, and a laptop, make of the same settings."""
    [pipeline] = [p for p in prod.properties("AWS::SageMaker::Pipeline") if p["PipelineName"].endswith(name)]
    deployed = json.loads(_filled(pipeline["PipelineDefinition"]["PipelineDefinitionBody"]))
    output = prod.templates["counterfoil-prod-training"]["Outputs"]["PipelineSettings"]["Value"]
    settings = PipelineSettings.model_validate(json.loads(_filled(output)))
    assert deployed == json.loads(definition(name, settings))
    assert "later-" not in json.dumps(deployed)


def test_jobs_run_in_the_network_that_reaches_the_database(prod: Synthesised) -> None:
    pipelines = prod.properties("AWS::SageMaker::Pipeline")
    assert len(pipelines) == 2
    for pipeline in pipelines:
        body = json.loads(_filled(pipeline["PipelineDefinition"]["PipelineDefinitionBody"]))
        steps = [step for step in body["Steps"] if step["Type"] == "Processing"]
        assert len(steps) >= 6
        for step in steps:
            network = step["Arguments"]["NetworkConfig"]["VpcConfig"]
            assert len(network["Subnets"]) == 2
            assert len(network["SecurityGroupIds"]) == 1


def test_the_pipelines_role_passes_step_roles_to_sagemaker_only(prod: Synthesised) -> None:
    [policy] = [
        one
        for one in prod.properties("AWS::IAM::Policy")
        if one["Roles"] == [{"Ref": "PipelinesRole3E8C6833"}] or one["PolicyName"].startswith("PipelinesRole")
    ]
    [passing] = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == "iam:PassRole"]
    assert len(passing["Resource"]) == len(JOBS)
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_a_complete_batch_and_the_clock_start_pipelines(prod: Synthesised) -> None:
    rules = prod.properties("AWS::Events::Rule")
    assert len(rules) == 3
    assert {rule["State"] for rule in rules} == {"ENABLED"}
    [arrival] = [rule for rule in rules if "EventPattern" in rule]
    assert arrival["EventPattern"]["detail"]["object"]["key"] == [{"wildcard": "incoming/*/_SUCCESS"}]
    template = arrival["Targets"][0]["InputTransformer"]
    assert template["InputPathsMap"] == {"detail-object-key": "$.detail.object.key"}
    assert "counterfoil pipeline start detection" in json.dumps(template["InputTemplate"])
    for rule in rules:
        assert "DeadLetterConfig" in rule["Targets"][0]


def test_nothing_starts_before_there_is_an_image(dev: Synthesised) -> None:
    assert {rule["State"] for rule in dev.properties("AWS::Events::Rule")} == {"DISABLED"}


def test_what_is_started_is_a_command_that_the_product_has() -> None:
    """The shell's words after `counterfoil` are read by the product's own command line."""
    from infra.parts.triggers import _DETECT, _TRAIN
    from pipelines.parameters import parameters

    for command, name in ((_DETECT.format(folder="x"), "detection"), (_TRAIN, "training")):
        known = {parameter.name for parameter in parameters(name, PipelineSettings())}
        given = {part.partition("=")[0] for part in command.split(" -p ")[1:]}
        assert given <= known
        assert command.startswith(f"exec counterfoil pipeline start {name} ")


def test_mlflow_keeps_artefacts_in_our_bucket(prod: Synthesised) -> None:
    [app] = prod.properties("AWS::SageMaker::MlflowApp")
    assert "counterfoil-prod-artefacts-" in json.dumps(app["ArtifactStoreUri"])


def test_steps_that_keep_releases_may_call_mlflow_and_others_may_not(prod: Synthesised) -> None:
    allowed = set()
    for one in prod.properties("AWS::IAM::Policy"):
        if "sagemaker:CallMlflowAppApi" in json.dumps(one) and one["PolicyName"].startswith("StepRoles"):
            allowed.add(one["PolicyName"].removeprefix("StepRoles").partition("DefaultPolicy")[0])
    assert allowed == {step for step, needs in NEEDS.items() if needs.releases}


def test_a_scientist_works_in_the_domain_that_is_there(prod: Synthesised, dev: Synthesised) -> None:
    _training(prod).has_resource_properties("AWS::SageMaker::UserProfile", {"DomainId": "d-0123456789ab"})
    assert not dev.of("AWS::SageMaker::UserProfile")
    assert not prod.of("AWS::SageMaker::Domain")


def test_the_migration_has_the_owner_s_secret_and_the_tasks_have_not(prod: Synthesised) -> None:
    template, owner = _training(prod), "COUNTERFOIL_MIGRATION_OWNER_SECRET"
    told = Match.object_like({"Environment": Match.array_with([Match.object_like({"Name": owner})])})
    template.has_resource_properties(
        "AWS::ECS::TaskDefinition", {"Family": "counterfoil-prod-migrate", "ContainerDefinitions": [told]}
    )
    holders = [d for d in prod.properties("AWS::ECS::TaskDefinition") if "MasterUserSecret" in json.dumps(d)]
    assert [holder["Family"] for holder in holders] == ["counterfoil-prod-migrate"]
