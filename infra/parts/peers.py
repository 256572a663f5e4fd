"""Security groups that name their peer: who may open a connection to whom, and on which port."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

SERVICE_PORT = 8080
DATABASE_PORT = 5433
"""Not PostgreSQL's own: scans of the network look there first."""
HTTPS = 443


class Peers(Construct):
    """The groups of one network. Nothing may be sent anywhere that is not written here."""

    def __init__(self, scope: Construct, id: str, vpc: ec2.IVpc) -> None:
        super().__init__(scope, id)
        self._vpc = vpc
        self.gateway = self._group("Gateway", "Link of API Gateway into the network")
        self.service = self._group("Service", "Tasks that score single payments")
        self.watch = self._group("Watch", "Tasks that score the stream")
        self.jobs = self._group("Jobs", "Processing jobs of the pipelines")
        self.errands = self._group("Errands", "Tasks that migrate the database and start pipelines")
        self.database = self._group("Database", "PostgreSQL with the reference sets")
        self.endpoints = self._group("Endpoints", "Private endpoints of AWS services")
        self._connect(self.gateway, self.service, SERVICE_PORT, "payments to score")
        for tasks in (self.service, self.watch, self.jobs, self.errands):
            self._connect(tasks, self.database, DATABASE_PORT, "references and decisions")
            self._connect(tasks, self.endpoints, HTTPS, "AWS services inside the network")
            tasks.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "AWS services through gateway and NAT")

    def _group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, id, vpc=self._vpc, description=description, allow_all_outbound=False)

    def _connect(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, purpose: str) -> None:
        source.add_egress_rule(target, ec2.Port.tcp(port), purpose)
        target.add_ingress_rule(source, ec2.Port.tcp(port), purpose)
