"""The service, its public address, its canary, the stream's watch, and the alarms."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template
from synthesised import DIGEST, Synthesised

from infra.parts.alarms import Watchables, watched
from infra.parts.api import CALLER_HEADER, ROLE_HEADER


def _scoring(synthesised: Synthesised, environment: str = "prod") -> Template:
    return Template.from_json(synthesised.templates[f"counterfoil-{environment}-scoring"])


def test_no_task_runs_before_there_is_an_image(dev: Synthesised, prod: Synthesised) -> None:
    assert {service["DesiredCount"] for service in dev.properties("AWS::ECS::Service")} == {0}
    assert not dev.of("AWS::ApplicationAutoScaling::ScalableTarget")
    counts = {service["ServiceName"]: service["DesiredCount"] for service in prod.properties("AWS::ECS::Service")}
    assert counts == {"counterfoil-prod-scoring": 2, "counterfoil-prod-watch": 1}


def test_the_service_is_told_all_that_its_code_reads(prod: Synthesised) -> None:
    from counterfoil.workspace.settings import Settings

    wanted = {"profile_table", "alerts_topic"} & Settings.model_fields.keys()
    more = {"scoring": {"TRUSTED_GATEWAY", "METRICS_NAMESPACE"}, "watch": {"PAYMENTS_STREAM"}}
    for definition in prod.properties("AWS::ECS::TaskDefinition"):
        if definition["Family"].endswith(("scoring", "watch")):
            told = {variable["Name"] for variable in definition["ContainerDefinitions"][0]["Environment"]}
            assert {f"COUNTERFOIL_{name.upper()}" for name in wanted} <= told
            assert {f"COUNTERFOIL_{name}" for name in more[definition["Family"].rsplit("-", 1)[-1]]} <= told


def test_images_are_named_by_content(prod: Synthesised) -> None:
    for definition in prod.properties("AWS::ECS::TaskDefinition"):
        [container] = definition["ContainerDefinitions"]
        assert json.dumps(container["Image"]).rstrip('"]}').endswith(f"@{DIGEST}")


def test_containers_keep_to_themselves(prod: Synthesised) -> None:
    definitions = prod.properties("AWS::ECS::TaskDefinition")
    assert len(definitions) == 4
    for definition in definitions:
        [container] = definition["ContainerDefinitions"]
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "10001:10001"
        assert container["Privileged"] is False
        assert [mount["ContainerPath"] for mount in container["MountPoints"]] == ["/var/lib/counterfoil"]
        assert definition["TaskRoleArn"] != definition["ExecutionRoleArn"]


def test_a_deployment_that_fails_goes_back(prod: Synthesised) -> None:
    for service in prod.properties("AWS::ECS::Service"):
        breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_the_service_grows_with_its_load(prod: Synthesised) -> None:
    template = _scoring(prod)
    template.has_resource_properties(
        "AWS::ApplicationAutoScaling::ScalableTarget", {"MinCapacity": 2, "MaxCapacity": 24}
    )
    template.resource_count_is("AWS::ApplicationAutoScaling::ScalingPolicy", 1)


def test_cloud_map_tells_the_port_too(prod: Synthesised) -> None:
    template = _scoring(prod)
    template.has_resource_properties(
        "AWS::ServiceDiscovery::Service", {"DnsConfig": Match.object_like({"DnsRecords": [{"TTL": 10, "Type": "SRV"}]})}
    )
    [service] = [s for s in prod.properties("AWS::ECS::Service") if s["ServiceName"].endswith("scoring")]
    assert service["ServiceRegistries"][0]["ContainerPort"] == 8080


def test_every_route_but_health_asks_who_calls(prod: Synthesised) -> None:
    kinds = {route["RouteKey"]: route["AuthorizationType"] for route in prod.properties("AWS::ApiGatewayV2::Route")}
    assert kinds["POST /v1/score"] == "AWS_IAM"
    assert kinds["POST /v1/analyses"] == kinds["GET /v1/analyses/{id}"] == "AWS_IAM"
    assert kinds["POST /v1/feedback"] == "JWT"
    assert [key for key, kind in kinds.items() if kind == "NONE"] == ["GET /healthz"]


def test_without_an_identity_provider_people_have_no_route(dev: Synthesised) -> None:
    kinds = {route["RouteKey"]: route["AuthorizationType"] for route in dev.properties("AWS::ApiGatewayV2::Route")}
    assert "POST /v1/feedback" not in kinds
    assert set(kinds.values()) == {"AWS_IAM", "NONE"}


def test_who_calls_is_written_by_the_gateway(prod: Synthesised) -> None:
    integrations = prod.properties("AWS::ApiGatewayV2::Integration")
    assert len(integrations) == 13
    for integration in integrations:
        mapping = integration["RequestParameters"]
        assert mapping["overwrite:path"] == "$request.path"
        assert {f"overwrite:header.{CALLER_HEADER}", f"overwrite:header.{ROLE_HEADER}"} <= mapping.keys()
        assert integration["ConnectionType"] == "VPC_LINK"


def test_programs_are_operators_on_the_routes_of_analyses_only(prod: Synthesised) -> None:
    found = prod.of("AWS::ApiGatewayV2::Integration").items()
    roles = {name.rpartition("/")[2]: one["Properties"]["RequestParameters"] for name, one in found}
    routes = prod.properties("AWS::ApiGatewayV2::Route")
    operators = {
        route["RouteKey"] for route in routes if roles[_target(route)][f"overwrite:header.{ROLE_HEADER}"] == "operator"
    }
    assert operators == {"POST /v1/analyses", "GET /v1/analyses/{id}"}


def _target(route: Any) -> str:
    """The integration that a route leads to."""
    parts = route["Target"]["Fn::Join"][1]
    return str(next(part["Ref"] for part in parts if isinstance(part, dict)))


def test_the_stage_is_throttled_and_logged_without_paths(prod: Synthesised) -> None:
    [stage] = prod.properties("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 2000
    json.loads(stage["AccessLogSettings"]["Format"])
    assert "$context.path" not in stage["AccessLogSettings"]["Format"]


def test_a_name_of_our_own_closes_the_generated_one(prod: Synthesised, dev: Synthesised) -> None:
    template = _scoring(prod)
    template.has_resource_properties("AWS::ApiGatewayV2::Api", {"DisableExecuteApiEndpoint": True})
    template.has_resource_properties("AWS::Route53::RecordSet", {"Name": "fraud.example.com.", "Type": "A"})
    template.resource_count_is("AWS::CertificateManager::Certificate", 1)
    [name] = prod.properties("AWS::ApiGatewayV2::DomainName")
    assert [one["SecurityPolicy"] for one in name["DomainNameConfigurations"]] == ["TLS_1_2"]
    [mapped] = prod.properties("AWS::ApiGatewayV2::ApiMapping")
    assert mapped["Stage"] == "$default"
    assert not dev.of("AWS::Route53::RecordSet")


def test_the_canary_keeps_the_link_warm(prod: Synthesised) -> None:
    [canary] = prod.properties("AWS::Synthetics::Canary")
    assert canary["Schedule"]["Expression"] == "rate(5 minutes)"
    assert canary["StartCanaryAfterCreation"] is True
    compile(canary["Code"]["Script"], "canary", "exec")


def test_the_canary_fails_where_health_fails(prod: Synthesised, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its script, run: a service that is not there makes it raise."""
    [canary] = prod.properties("AWS::Synthetics::Canary")
    space: dict[str, object] = {}
    exec(compile(canary["Code"]["Script"], "canary", "exec"), space)
    monkeypatch.setenv("HOST", "127.0.0.1:9")
    with pytest.raises(ConnectionRefusedError):
        space["handler"](None, None)  # type: ignore[operator]


def test_payments_and_alerts_are_encrypted_on_their_way(prod: Synthesised) -> None:
    [stream] = prod.properties("AWS::Kinesis::Stream")
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    topics = prod.properties("AWS::SNS::Topic")
    assert len(topics) == 2
    for topic in topics:
        assert "KmsMasterKeyId" in topic
    assert len(prod.of("AWS::SNS::Subscription")) == 2


def test_nothing_reaches_a_topic_or_a_queue_without_tls(prod: Synthesised) -> None:
    policies = [*prod.properties("AWS::SNS::TopicPolicy"), *prod.properties("AWS::SQS::QueuePolicy")]
    held = [place for policy in policies for place in policy.get("Topics", policy.get("Queues"))]
    assert len(held) == len(prod.of("AWS::SNS::Topic")) + len(prod.of("AWS::SQS::Queue"))
    for policy in policies:
        denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_alarms_may_be_published_and_nobody_else_s(prod: Synthesised) -> None:
    """Without this statement no alarm would arrive: the topic has a policy of its own, for TLS."""
    statements = [s for p in prod.properties("AWS::SNS::TopicPolicy") for s in p["PolicyDocument"]["Statement"]]
    [allowed] = [one for one in statements if one["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    [topic] = {json.dumps(alarm["AlarmActions"][0]) for alarm in prod.properties("AWS::CloudWatch::Alarm")}
    assert allowed["Resource"]["Ref"] in topic
    assert json.dumps(allowed["Condition"]["ArnLike"]).endswith(':alarm:counterfoil-prod-*"]]}}')
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_what_could_not_be_delivered_is_kept_for_two_weeks(prod: Synthesised) -> None:
    queues = {queue["QueueName"]: queue for queue in prod.properties("AWS::SQS::Queue")}
    assert queues.keys() == {"counterfoil-prod-missed-starts"}
    assert {queue["MessageRetentionPeriod"] for queue in queues.values()} == {14 * 24 * 3600}
    assert queues["counterfoil-prod-missed-starts"]["SqsManagedSseEnabled"] is True


def test_logs_stay_for_three_months_and_go_with_dev(prod: Synthesised, dev: Synthesised) -> None:
    assert {group["RetentionInDays"] for group in prod.properties("AWS::Logs::LogGroup")} == {90}
    named = {group["LogGroupName"] for group in prod.properties("AWS::Logs::LogGroup") if "LogGroupName" in group}
    assert named == {f"/counterfoil-prod/{name}" for name in ("scoring", "api", "watch", "migrate", "start")}
    assert {one["DeletionPolicy"] for one in prod.of("AWS::Logs::LogGroup").values()} == {"RetainExceptOnCreate"}
    assert {one["DeletionPolicy"] for one in dev.of("AWS::Logs::LogGroup").values()} == {"Delete"}


def test_records_that_are_no_payments_are_counted_in_the_watch_s_log(prod: Synthesised) -> None:
    from counterfoil.service.watch import BURIED

    [counted] = prod.properties("AWS::Logs::MetricFilter")
    assert counted["FilterPattern"] == f'{{ $.event = "{BURIED}" }}'
    [metric] = counted["MetricTransformations"]
    [alarm] = [one for one in prod.properties("AWS::CloudWatch::Alarm") if one["AlarmName"].endswith("-unreadable")]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])


def test_the_watch_s_log_has_no_scores(prod: Synthesised) -> None:
    [watch] = [one for one in prod.properties("AWS::ECS::TaskDefinition") if one["Family"].endswith("-watch")]
    assert watch["ContainerDefinitions"][0]["Command"] == ["watch", "--no-show"]


def test_people_come_from_the_identity_provider_that_was_named(prod: Synthesised) -> None:
    [authorizer] = prod.properties("AWS::ApiGatewayV2::Authorizer")
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["JwtConfiguration"] == {"Audience": ["counterfoil"], "Issuer": "https://login.example.com/"}


def test_the_link_stands_in_the_subnets_of_the_tasks_under_the_gateway_s_group(prod: Synthesised) -> None:
    [link] = prod.properties("AWS::ApiGatewayV2::VpcLink")
    assert len(link["SubnetIds"]) == 2
    assert all("VpctasksSubnet" in subnet["Fn::ImportValue"] for subnet in link["SubnetIds"])
    assert ["PeersGateway" in group["Fn::ImportValue"] for group in link["SecurityGroupIds"]] == [True]
    [namespace] = prod.properties("AWS::ServiceDiscovery::PrivateDnsNamespace")
    assert namespace["Name"] == "counterfoil-prod.internal"


def test_every_alarm_tells_somebody_and_what_to_do(prod: Synthesised) -> None:
    alarms = {alarm["AlarmName"]: alarm for alarm in prod.properties("AWS::CloudWatch::Alarm")}
    names = Watchables(*["x"] * 10)
    assert alarms.keys() == {f"counterfoil-prod-{one.name}" for one in watched(names)}
    for alarm in alarms.values():
        assert alarm["AlarmActions"]
        assert alarm["OKActions"]
        assert "infra/README.md" in alarm["AlarmDescription"]
    assert alarms["counterfoil-prod-no-data"]["TreatMissingData"] == "breaching"


def test_the_alarm_on_drift_reads_what_the_service_writes_in_its_log(prod: Synthesised) -> None:
    from counterfoil.domain.evaluation.drift import MUCH
    from counterfoil.service.emf import EmbeddedMetrics
    from counterfoil.steps.scoring.drift_now import DriftNow

    [task] = [one for one in prod.properties("AWS::ECS::TaskDefinition") if one["Family"].endswith("-scoring")]
    told_to_the_service = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    lines: list[Any] = []
    namespace = told_to_the_service["COUNTERFOIL_METRICS_NAMESPACE"]
    EmbeddedMetrics(namespace, lines.append).flush(DriftNow(500, 0.1, 0.01, {"amount": 0.7, "hour": 0.1}))
    [directive] = lines[0]["_aws"]["CloudWatchMetrics"]
    [alarm] = [one for one in prod.properties("AWS::CloudWatch::Alarm") if one["AlarmName"].endswith("-drift")]
    assert alarm["Namespace"] == directive["Namespace"]
    assert alarm["MetricName"] in {metric["Name"] for metric in directive["Metrics"]}
    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    assert [list(dimensions)] == directive["Dimensions"]
    assert all(lines[0][name] == value for name, value in dimensions.items())
    assert lines[0][alarm["MetricName"]] >= alarm["Threshold"] == MUCH


def test_a_stream_that_nobody_watches_alarms_nobody(dev: Synthesised, prod: Synthesised) -> None:
    names = {
        environment: {alarm["AlarmName"].removeprefix(f"counterfoil-{environment}-") for alarm in alarms}
        for environment, alarms in (
            ("dev", dev.properties("AWS::CloudWatch::Alarm")), ("prod", prod.properties("AWS::CloudWatch::Alarm"))
        )
    }  # fmt: skip
    assert names["prod"] - names["dev"] == {"lag", "no-data", "unreadable"}


def test_every_alarm_stands_on_the_dashboard_and_in_the_runbook(prod: Synthesised) -> None:
    from pathlib import Path

    [board] = prod.properties("AWS::CloudWatch::Dashboard")
    runbook = (Path(__file__).parents[2] / "infra" / "README.md").read_text()
    for one in watched(Watchables(*["x"] * 10)):
        assert one.name in json.dumps(board["DashboardBody"]).replace("-", "-")
        assert f"`{one.name}`" in runbook
