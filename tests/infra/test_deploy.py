"""The deploy script against a stand-in for AWS: its order, its way back, and what makes it stop before it begins."""

import copy
import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from asked import asked_for
from botocore.exceptions import ClientError
from synthesised import Synthesised

from counterfoil.errors import UsageError
from counterfoil.workspace.settings import PipelineSettings
from infra.deploy import deploy as deploying
from infra.deploy import errands, images, pipelines, service
from infra.deploy.changes import destroyed
from infra.deploy.place import DeployError, Place
from infra.deploy.smoke import require_score
from infra.environments import DEV
from infra.parts.task import NO_DIGEST
from infra.permissions import permissions
from infra.repositories import IMAGES
from pipelines.catalogue import definition

OLD = f"sha256:{'0b' * 32}"
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
ROLE = "arn:aws:iam::123456789012:role/later/counterfoil-dev-pipelines"
SETTINGS = {
    "bucket": "counterfoil-dev-lake-123456789012-eu-west-1", "region": "eu-west-1", "name_prefix": "counterfoil-dev",
    "registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "role": ROLE, "subnets": ["subnet-1"],
    "security_groups": ["sg-1"],
}  # fmt: skip


class Site(Place):
    """A place whose commands are written down, whose outputs are given, and whose images are pushed by moto."""

    commands: list[str]

    def output(self, stack: str, name: str) -> str:
        return json.dumps(SETTINGS) if name == "PipelineSettings" else f"{stack}.{name}"


@pytest.fixture
def said() -> list[str]:
    return []


@functools.cache
def _made(name: str, tag: str) -> str:
    """A definition, made once: the SDK takes a second for it."""
    return definition(name, PipelineSettings.model_validate({**SETTINGS, "image_tag": tag}))


@pytest.fixture
def site(aws: str, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """An environment whose stacks stand, with the old image running everywhere."""
    assert aws
    monkeypatch.setattr(pipelines, "definition", lambda name, settings: _made(name, settings.image_tag))

    def run(command: Sequence[str]) -> None:
        said.append(" ".join(part for part in command if part not in ("npx", "--prefix", "infra")))
        if command[0].endswith("build_images.sh"):
            for name in command[3:]:
                push(name, command[2])

    def push(name: str, tag: str) -> None:
        manifest = {**MANIFEST, "config": {"digest": f"{name}:{tag}"}}
        boto3.client("ecr", "eu-west-1").put_image(
            repositoryName=f"counterfoil-{name}", imageManifest=json.dumps(manifest), imageTag=tag
        )

    place = Site(DEV, {}, run, said.append)
    for name in IMAGES:
        place.client("ecr").create_repository(repositoryName=f"counterfoil-{name}")
    stand(place, OLD)
    monkeypatch.setattr(errands, "run_errand", lambda _, name: said.append(f"errand {name}"))
    # moto's services never get a rollout's state; ECS's own are tried below.
    monkeypatch.setattr(service, "rollout", lambda *_: ("COMPLETED", ""))
    return place


def stand(place: Place, digest: str) -> None:
    """Make what CloudFormation would have made."""
    ecs, sagemaker = place.client("ecs"), place.client("sagemaker")
    ecs.create_cluster(clusterName=place.prefix)
    for name in deploying.SERVICES:
        image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/counterfoil-scoring@{digest}"
        container = {"name": name, "image": image, "memory": 512, "user": "10001:10001"}
        made = ecs.register_task_definition(family=f"{place.prefix}-{name}", containerDefinitions=[container])
        ecs.create_service(
            cluster=place.prefix, serviceName=f"{place.prefix}-{name}", desiredCount=1,
            taskDefinition=made["taskDefinition"]["taskDefinitionArn"],
        )  # fmt: skip
    for name, text in pipelines.wanted_definitions(place, "old").items():
        sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, ClientRequestToken="x" * 32)


def running(place: Place) -> dict[str, str]:
    """The image by content that each service runs."""
    definitions = {name: service.running_definition(place, name) for name in deploying.SERVICES}
    return {name: service.image_of(place, str(arn)).partition("@")[2] for name, arn in definitions.items()}


def tags(place: Place) -> set[str]:
    """The tags of the images in the pipelines' definitions."""
    found = set()
    for text in pipelines.deployed_definitions(place).values():
        steps = [step for step in json.loads(text)["Steps"] if step["Type"] == "Processing"]
        found |= {step["Arguments"]["AppSpecification"]["ImageUri"].rpartition(":")[2] for step in steps}
    return found


def test_the_order_of_a_deployment(site: Site, said: list[str]) -> None:
    deploying.deploy(site, "c0ffee1", smoke_test=lambda _: said.append("asked"))
    assert [line.partition(" -")[0].partition(" 1234")[0] for line in said if not line.startswith("  ")] == [
        "1 changes", "cdk synth", "2 repositories", "cdk deploy counterfoil-repositories", "3 images",
        "infra/deploy/build_images.sh", "4 stacks", "cdk synth", "cdk diff", "cdk deploy", "5 database",
        "errand migrate", "6 services", "7 pipelines", "8 smoke test", "asked",
        "deployed c0ffee1 to dev",
    ]  # fmt: skip
    [pushed] = site.client("ecr").describe_images(repositoryName="counterfoil-scoring")["imageDetails"]
    assert running(site) == {"scoring": pushed["imageDigest"], "watch": pushed["imageDigest"]}
    assert tags(site) == {"c0ffee1"}


def test_ci_s_role_holds_each_right_that_a_deployment_and_its_rollback_use(site: Site, prod: Synthesised) -> None:
    def fail(_: Place) -> None:
        raise DeployError("POST /v1/score answered 503")

    with asked_for() as used, pytest.raises(DeployError, match="rolled back"):
        deploying.deploy(site, "c0ffee1", smoke_test=fail)
    used -= {"ecr:PutImage"}  # the builder's
    granted = {
        action for one in permissions(prod.templates) if one.role == "counterfoil-prod-ci" for action in one.actions
    }
    assert used >= {"ecr:DescribeRepositories", "ecs:RegisterTaskDefinition", "sagemaker:UpdatePipeline"}
    assert used - granted == set()


def test_what_aws_refuses_on_the_way_takes_everything_back_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, "UpdatePipeline")

    monkeypatch.setattr(pipelines, "wanted_definitions", refused)
    with pytest.raises(DeployError, match=f"(?s)AWS's UpdatePipeline .*AccessDenied: not yours.*rolled back: .*{OLD}"):
        deploying.deploy(site, "c0ffee1", smoke_test=lambda _: None)
    assert running(site) == {"scoring": OLD, "watch": OLD}


def test_a_rollback_that_fails_too_names_what_ran_before(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Place) -> None:
        monkeypatch.setattr(service, "rollout", lambda *_: ("FAILED", "no capacity"))
        monkeypatch.setattr(service, "_stopped", lambda *_: "")
        raise DeployError("POST /v1/score answered 503")

    with pytest.raises(
        DeployError, match=f"(?s)answered 503.*the rollback failed too: .*no capacity.*ran before: {OLD}"
    ):
        deploying.deploy(site, "c0ffee1", smoke_test=fail)


@pytest.mark.parametrize(
    ("tag", "context", "named"),
    [
        ("", {}, "--tag is ''"),
        ("a b", {}, "image_tag is 'a b'"),
        ("c0ffee1", {"jwt_isuer": "x"}, "no such setting: jwt_isuer"),
        ("c0ffee1", {"domain_name": "a.example.com"}, "domain_name needs hosted_zone_id"),
    ],
)
def test_a_setting_that_cannot_be_stops_before_anything(tag: str, context: dict[str, str], named: str) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=named):
        deploying.deploy(Place(DEV, context, lambda command: said.append(str(command)), said.append), tag)
    assert said == []


def test_a_failed_smoke_test_takes_everything_back(site: Site, said: list[str]) -> None:
    def fail(_: Place) -> None:
        assert tags(site) == {"c0ffee1"}
        assert OLD not in running(site).values()
        raise DeployError("POST /v1/score answered 503")

    with pytest.raises(DeployError, match=f"(?s)answered 503.*rolled back: .*{OLD}"):
        deploying.deploy(site, "c0ffee1", smoke_test=fail)
    assert running(site) == {"scoring": OLD, "watch": OLD}
    assert tags(site) == {"old"}
    assert said[-1] == "9 rollback"


def test_after_a_rollback_the_same_commit_can_be_deployed_again(site: Site, said: list[str]) -> None:
    def fail(_: Place) -> None:
        raise DeployError("no answer")

    with pytest.raises(DeployError):
        deploying.deploy(site, "c0ffee1", smoke_test=fail)
    deploying.deploy(site, "c0ffee1", smoke_test=lambda _: None)
    assert tags(site) == {"c0ffee1"}
    # Images are there already: nothing is built twice.
    assert len([line for line in said if "build_images" in line]) == 1


def test_cloudformation_keeps_the_image_that_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(Site, "cdk", lambda _, verb, *__, settings: seen.append({"verb": verb, **settings}))
    deploying.deploy(site, "c0ffee1", smoke_test=lambda _: None)
    looked_at, synthesis = [one for one in seen if one["verb"] == "synth"]
    assert looked_at == {"verb": "synth", "image_tag": "c0ffee1"}
    assert synthesis["scoring_digest"] == OLD
    assert synthesis["image_tag"] == "c0ffee1"


def test_a_first_deployment_starts_no_service(site: Site, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "running_definition", lambda *_: None)
    deploying.deploy(site, "c0ffee1", first=True, smoke_test=lambda _: said.append("asked"))
    assert "6 services" not in said
    assert "asked" not in said


def test_a_watch_that_is_not_wanted_gets_its_image_and_no_task(site: Site, said: list[str]) -> None:
    ecs, called = site.client("ecs"), "counterfoil-dev-watch"
    ecs.update_service(cluster=site.prefix, service=called, desiredCount=0)
    deploying.deploy(site, "c0ffee1", smoke_test=lambda _: said.append("asked"))
    [watch] = ecs.describe_services(cluster=site.prefix, services=[called])["services"]
    assert watch["desiredCount"] == 0
    assert OLD not in running(site).values()


def test_a_placeholder_is_nothing_to_go_back_to(site: Site) -> None:
    before = deploying.Before({"scoring": service.running_definition(site, "scoring"), "watch": None}, {})
    described = site.client("ecs").describe_task_definition(taskDefinition=before.definitions["scoring"])
    placeholder = copy.deepcopy(described["taskDefinition"]["containerDefinitions"])
    placeholder[0]["image"] = f"counterfoil-scoring@{NO_DIGEST}"
    made = site.client("ecs").register_task_definition(family="placeholder", containerDefinitions=placeholder)
    first = deploying.Before({"scoring": made["taskDefinition"]["taskDefinitionArn"], "watch": None}, {})
    assert first.digest(site) is None
    assert before.digest(site) == OLD


def test_tasks_that_cannot_start_are_told_with_ecs_s_reason(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "rollout", lambda *_: ("FAILED", "tasks failed to start"))
    monkeypatch.setattr(service, "_stopped", lambda *_: "; its tasks stopped: CannotPullContainerError")
    with pytest.raises(DeployError, match=r"did not take counterfoil-dev-scoring:2: .* start; .*CannotPull"):
        service.move_service(site, "scoring", f"sha256:{'c' * 64}", least=1)


def test_a_service_that_never_settles_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "rollout", lambda *_: ("IN_PROGRESS", ""))
    pauses: list[float] = []
    with pytest.raises(DeployError, match=r"has not settled on .* in 15 minutes"):
        service.move_service(site, "scoring", f"sha256:{'c' * 64}", least=1, pause=pauses.append)
    assert sum(pauses) == service.LONGEST_SECONDS


@pytest.mark.parametrize(
    ("deployments", "state"),
    [
        ([{"taskDefinition": "new", "rolloutState": "COMPLETED"}], "COMPLETED"),
        ([{"taskDefinition": "new", "rolloutState": "IN_PROGRESS"}, {"taskDefinition": "old"}], "IN_PROGRESS"),
        ([{"taskDefinition": "new", "rolloutState": "FAILED"}, {"taskDefinition": "old"}], "FAILED"),
        ([{"taskDefinition": "old", "rolloutState": "COMPLETED"}], "FAILED"),
    ],
)
def test_the_state_of_a_rollout(deployments: list[dict[str, str]], state: str) -> None:
    assert service.rollout({"deployments": deployments}, "new")[0] == state


@pytest.mark.usefixtures("site")
def test_an_image_that_did_not_arrive_is_named() -> None:
    quiet = Site(DEV, {}, lambda _: None, lambda _: None)
    with pytest.raises(DeployError, match="no image of tag c0ffee1 for collector, curation"):
        images.push_images(quiet, "c0ffee1")


def test_an_errand_that_fails_names_its_log() -> None:
    failed = {"containers": [{"exitCode": 1}], "stoppedReason": "Essential container in task exited"}
    with pytest.raises(DeployError, match=r"migrate ended with \[1\].*its log is /counterfoil-dev/migrate"):
        errands.require_done(Place(DEV), "migrate", failed)
    errands.require_done(Place(DEV), "migrate", {"containers": [{"exitCode": 0}]})


@pytest.mark.parametrize("answer", [{}, {"scores": []}, {"scores": [{"anomaly_signal": 2, "release_id": "r"}]}])
def test_an_answer_without_a_score_fails_the_smoke_test(answer: dict[str, Any]) -> None:
    with pytest.raises(DeployError, match="answered without a score"):
        require_score(answer)
    require_score({"scores": [{"anomaly_signal": 0.25, "release_id": "r1"}]})


def test_bad_arguments_are_named() -> None:
    with pytest.raises(UsageError, match="environment is 'test': there are dev, prod"):
        Place.of("test", "{}")
    with pytest.raises(UsageError, match="--context is no JSON"):
        Place.of("dev", "{")
    with pytest.raises(UsageError, match="--context is no JSON object"):
        Place.of("dev", "[]")
    with pytest.raises(UsageError, match="--context gives environment, image_tag: the deployment finds these"):
        Place.of("dev", '{"environment": "prod", "image_tag": "x"}')


Change = Callable[[dict[str, Any]], None]


def _without(kind: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        del resources[next(name for name, one in resources.items() if one["Type"] == kind)]

    return change


def _with(kind: str, name: str, value: object) -> Change:
    def change(resources: dict[str, Any]) -> None:
        next(one for one in resources.values() if one["Type"] == kind)["Properties"][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (_without("AWS::S3::Bucket"), "AWS::S3::Bucket", "would be deleted"),
        (_without("AWS::RDS::DBInstance"), "AWS::RDS::DBInstance", "would be deleted"),
        (_with("AWS::S3::Bucket", "BucketName", "other"), "AWS::S3::Bucket", r"would be replaced \(BucketName"),
        (_with("AWS::DynamoDB::Table", "TableName", "other"), "AWS::DynamoDB::Table", r"would be replaced \(TableName"),
        (
            _with("AWS::RDS::DBInstance", "DBInstanceIdentifier", "other"),
            "AWS::RDS::DBInstance",
            r"would be replaced \(DBInstanceIdentifier",
        ),
        (_with("AWS::DynamoDB::Table", "KeySchema", []), "AWS::DynamoDB::Table", r"would be replaced \(KeySchema"),
        (_with("AWS::RDS::DBInstance", "Port", "5432"), "AWS::RDS::DBInstance", r"would be replaced \(Port"),
        (_with("AWS::RDS::DBInstance", "DBName", "other"), "AWS::RDS::DBInstance", r"would be replaced \(DBName"),
    ],
)
def test_what_would_destroy_data_is_named(prod: Synthesised, change: Change, kind: str, said: str) -> None:
    deployed = prod.templates["counterfoil-prod-lake"]
    wanted = copy.deepcopy(deployed)
    change(wanted["Resources"])
    [found] = destroyed("lake", deployed, wanted, "eu-west-1")
    assert found.startswith(f"lake: {kind} ")
    assert re.search(said, found)


def test_what_destroys_nothing_passes(prod: Synthesised) -> None:
    deployed = prod.templates["counterfoil-prod-lake"]
    wanted = copy.deepcopy(deployed)
    _with("AWS::RDS::DBInstance", "DBInstanceClass", "db.r8g.xlarge")(wanted["Resources"])
    _with("AWS::S3::Bucket", "LifecycleConfiguration", {"Rules": []})(wanted["Resources"])
    assert destroyed("lake", deployed, wanted, "eu-west-1") == []
    assert destroyed("lake", {}, deployed, "eu-west-1") == []


def test_a_destructive_change_stops_the_deployment_before_anything_is_touched(
    site: Site, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = {"Resources": {"Old": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "precious"}}}}
    site.client("cloudformation").create_stack(StackName="counterfoil-dev-lake", TemplateBody=json.dumps(deployed))

    def synth(_: Site, verb: str, *stacks: str, **__: object) -> None:
        said.append(f"cdk {verb}")
        if verb == "synth":
            Path(stacks[-1], "counterfoil-dev-lake.template.json").write_text('{"Resources": {}}')

    monkeypatch.setattr(Site, "cdk", synth)
    with pytest.raises(
        DeployError, match=r"(?s)stopped before any stack was changed.*lake: AWS::S3::Bucket Old would be deleted"
    ):
        deploying.deploy(site, "c0ffee1", smoke_test=lambda _: None)
    assert said == ["1 changes", "cdk synth"]
    assert running(site) == {"scoring": OLD, "watch": OLD}
