"""A name of our own for the API, with its certificate."""

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from infra.environments import Deployment


class Domain(Construct):
    """A certificate that Route 53 proves and renews, and the record that leads to API Gateway."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment) -> None:
        super().__init__(scope, id)
        self.name = deployment.domain_name
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=deployment.hosted_zone_id, zone_name=deployment.hosted_zone_name
        )
        certificate = certificates.Certificate(
            self, "Certificate",
            domain_name=self.name, validation=certificates.CertificateValidation.from_dns(zone),
        )  # fmt: skip
        self.gateway = apigateway.DomainName(
            self, "Gateway",
            domain_name=self.name, certificate=certificate, security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )  # fmt: skip
        route53.ARecord(
            self, "Record",
            zone=zone, record_name=f"{self.name}.",
            target=route53.RecordTarget.from_alias(
                targets.ApiGatewayv2DomainProperties(
                    self.gateway.regional_domain_name, self.gateway.regional_hosted_zone_id
                )
            ),
        )  # fmt: skip
