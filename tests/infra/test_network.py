"""Who reaches whom: subnets, endpoints, security groups."""

from aws_cdk.assertions import Match, Template
from synthesised import Synthesised


def _network(synthesised: Synthesised, environment: str) -> Template:
    return Template.from_json(synthesised.templates[f"counterfoil-{environment}-network"])


def test_the_network_has_a_way_out_in_each_zone_and_none_for_data(prod: Synthesised) -> None:
    template = _network(prod, "prod")
    template.resource_count_is("AWS::EC2::VPC", 1)
    template.resource_count_is("AWS::EC2::NatGateway", 2)
    template.resource_count_is("AWS::EC2::Subnet", 6)
    # Way out: the internet for two NAT subnets, NAT for two of tasks, none for data.
    template.resource_count_is("AWS::EC2::Route", 4)
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in prod.properties("AWS::EC2::Subnet"))


def test_dev_saves_a_gateway_and_the_endpoints(dev: Synthesised) -> None:
    template = _network(dev, "dev")
    template.resource_count_is("AWS::EC2::NatGateway", 1)
    template.resource_count_is("AWS::EC2::VPCEndpoint", 2)


def test_endpoints_take_connections_from_named_groups_only(prod: Synthesised) -> None:
    template = _network(prod, "prod")
    template.resource_count_is("AWS::EC2::VPCEndpoint", 10)
    for group in prod.properties("AWS::EC2::SecurityGroup"):
        assert not [rule for rule in group.get("SecurityGroupIngress", []) if "CidrIp" in rule], group[
            "GroupDescription"
        ]


def test_every_ingress_names_a_group_and_one_port(prod: Synthesised) -> None:
    rules = prod.properties("AWS::EC2::SecurityGroupIngress")
    assert len(rules) == 9
    for rule in rules:
        assert "SourceSecurityGroupId" in rule
        assert rule["FromPort"] == rule["ToPort"]


def test_only_api_gateway_reaches_the_service(prod: Synthesised) -> None:
    to_service = [rule for rule in prod.properties("AWS::EC2::SecurityGroupIngress") if rule["FromPort"] == 8080]
    assert len(to_service) == 1
    assert "Gateway" in str(to_service[0]["SourceSecurityGroupId"])


def test_what_may_be_sent_names_its_peer_and_one_port(prod: Synthesised) -> None:
    rules = prod.properties("AWS::EC2::SecurityGroupEgress")
    assert len(rules) == 9
    for rule in rules:
        assert "DestinationSecurityGroupId" in rule
        assert rule["FromPort"] == rule["ToPort"]
    # To anywhere goes HTTPS alone: to AWS by the gateway's and NAT's ways.
    groups = prod.properties("AWS::EC2::SecurityGroup")
    sent = {(rule["CidrIp"], rule.get("ToPort")) for group in groups for rule in group.get("SecurityGroupEgress", [])}
    nowhere = "255.255.255.255/32"
    assert {(place, port) for place, port in sent if place != nowhere} == {("0.0.0.0/0", 443)}


def test_the_database_stands_where_there_is_no_way_out(prod: Synthesised) -> None:
    [group] = prod.properties("AWS::RDS::DBSubnetGroup")
    assert ["VpcdataSubnet" in subnet["Fn::ImportValue"] for subnet in group["SubnetIds"]] == [True, True]
    tables = {route["RouteTableId"]["Ref"] for route in prod.properties("AWS::EC2::Route")}
    assert not [table for table in tables if table.startswith("Vpcdata")]


def test_flow_logs_are_kept(prod: Synthesised) -> None:
    _network(prod, "prod").has_resource_properties(
        "AWS::EC2::FlowLog", {"TrafficType": "ALL", "LogDestinationType": "cloud-watch-logs"}
    )


def test_the_cluster_is_watched(prod: Synthesised) -> None:
    _network(prod, "prod").has_resource_properties(
        "AWS::ECS::Cluster", {"ClusterSettings": Match.array_with([{"Name": "containerInsights", "Value": "enabled"}])}
    )
