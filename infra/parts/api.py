"""The public address: an HTTP API in front of the private service."""

from aws_cdk import Aws, CfnOutput
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from infra.environments import Deployment
from infra.parts.acknowledged import acknowledge
from infra.parts.domain import Domain
from infra.parts.removal import removal

MACHINE_ROUTES = (
    "POST /v1/score",
    "GET /v1/releases/current",
)
"""For programs: signed with SigV4, allowed by `execute-api:Invoke`."""
JOB_ROUTES = ("POST /v1/analyses", "GET /v1/analyses/{id}")
"""For programs that start analyses, in the same way: who may invoke these routes is an operator on them alone."""
PEOPLE_ROUTES = (
    "GET /v1/transactions/{id}", "POST /v1/feedback", "GET /v1/cases", "GET /v1/cases/{id}",
    "POST /v1/cases/{id}/{act}", "GET /v1/policy", "POST /v1/policy/proposals", "POST /v1/policy/snoozes",
)  # fmt: skip
"""For analysts' programs: a JWT of the identity provider. Without one configured these routes are not there.

A second signature on a policy is an operator's, and given from inside."""
OPEN_ROUTES = ("GET /healthz",)
CALLER_HEADER, ROLE_HEADER = "x-counterfoil-caller", "x-counterfoil-role"
"""Who calls and as what, as API Gateway has verified it; what a caller wrote there himself is overwritten."""


class Api(Construct):
    """Routes by who may call them. What is no route here, such as the review page, is reached from inside only."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        service: discovery.IService,
    ) -> None:
        super().__init__(scope, id)
        self._service = service
        prefix = deployment.environment.prefix
        self._link = apigateway.VpcLink(
            self, "Link", vpc=vpc, subnets=subnets, security_groups=[group], vpc_link_name=prefix
        )
        domain = Domain(self, "Domain", deployment) if deployment.domain_name else None
        self.api = apigateway.HttpApi(
            self, "Api",
            api_name=prefix, description="Scores single payments", create_default_stage=False,
            # With a name of our own, the generated one would be a second door.
            disable_execute_api_endpoint=domain is not None,
        )  # fmt: skip
        self._stage(deployment, domain)
        self._route(MACHINE_ROUTES, "score", "$context.identity.userArn", authorizers.HttpIamAuthorizer())
        self._route(JOB_ROUTES, "operator", "$context.identity.userArn", authorizers.HttpIamAuthorizer())
        if deployment.jwt_issuer:
            people = authorizers.HttpJwtAuthorizer(
                "People", deployment.jwt_issuer, jwt_audience=[deployment.jwt_audience]
            )
            self._route(PEOPLE_ROUTES, "analyst", "$context.authorizer.claims.sub", people)
        self._route(OPEN_ROUTES, "none", "nobody", apigateway.HttpNoneAuthorizer())
        generated = f"{self.api.api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
        self.host = domain.name if domain else generated
        CfnOutput(self, "Address", value=f"https://{self.host}").override_logical_id("Address")

    def _stage(self, deployment: Deployment, domain: "Domain | None") -> None:
        most = deployment.environment.requests_per_second
        log = logs.LogGroup(
            self, "AccessLog",
            log_group_name=f"/{deployment.environment.prefix}/api", retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal(deployment.environment),
        )  # fmt: skip
        stage = apigateway.HttpStage(
            self, "Stage",
            http_api=self.api, stage_name="$default", auto_deploy=True, detailed_metrics_enabled=True,
            throttle=apigateway.ThrottleSettings(rate_limit=most, burst_limit=most * 2),
            domain_mapping=None if domain is None else apigateway.DomainMappingOptions(domain_name=domain.gateway),
        )  # fmt: skip
        resource = stage.node.default_child
        assert isinstance(resource, apigateway.CfnStage)
        fields = (
            "requestId", "requestTime", "routeKey", "status", "responseLatency", "integrationErrorMessage",
            "error.message", "identity.sourceIp", "identity.userAgent",
        )  # fmt: skip
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log.log_group_arn,
            # No path: it may hold a payment's id.
            format="{" + ", ".join(f'"{field}": "$context.{field}"' for field in fields) + "}",
        )

    def _route(
        self, routes: tuple[str, ...], role: str, caller: str, authorizer: apigateway.IHttpRouteAuthorizer
    ) -> None:
        for number, route in enumerate(routes):
            method, path = route.split()
            verb = apigateway.HttpMethod(method)
            mapping = apigateway.ParameterMapping()
            # A stage's name in the path is API Gateway's own affair.
            mapping.overwrite_path(apigateway.MappingValue.request_path())
            mapping.overwrite_header(CALLER_HEADER, apigateway.MappingValue.custom(caller))
            mapping.overwrite_header(ROLE_HEADER, apigateway.MappingValue.custom(role))
            integration = integrations.HttpServiceDiscoveryIntegration(
                f"To{number}", self._service, vpc_link=self._link, parameter_mapping=mapping
            )
            added = self.api.add_routes(path=path, methods=[verb], integration=integration, authorizer=authorizer)
            if route in OPEN_ROUTES:
                acknowledge(
                    added[0], "AwsSolutions-APIG4", "health is open: it tells no more than that the service is up"
                )
