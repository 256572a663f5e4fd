"""PostgreSQL with pgvector, for reference sets and decisions."""

import json

from aws_cdk import Aws, Duration, RemovalPolicy, SecretValue
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infra.environments import Environment
from infra.parts.acknowledged import acknowledge
from infra.parts.peers import DATABASE_PORT

NAME = "counterfoil"
OWNER = "counterfoil_owner"
"""Who sets up the schema, with the password that RDS rotates by itself."""
STEPS = "counterfoil_steps"
"""The pipelines' steps: they log in as an IAM role."""
SERVICE = "counterfoil_service"
"""Service and watch: they log in as an IAM role."""
USERS = (STEPS, SERVICE)
_GROWTH = 5
"""Up to how many times its first storage the database may grow by itself."""


class Database(Construct):
    """One instance and its standby in another zone; TLS forced, passwords nowhere but in the owner's secret."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        self._key, self._environment = key, environment
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_6)
        self.instance = rds.DatabaseInstance(
            self, "Instance",
            engine=engine,
            instance_identifier=environment.prefix,
            instance_type=ec2.InstanceType(environment.database_class),
            database_name=NAME,
            credentials=rds.Credentials.from_username(OWNER),
            manage_master_user_password=True,
            iam_authentication=True,
            parameter_group=rds.ParameterGroup(
                self, "Parameters", engine=engine, description="TLS only; slow statements are logged",
                parameters={"rds.force_ssl": "1", "log_min_duration_statement": "1000"},
            ),
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            vpc=vpc, vpc_subnets=subnets, security_groups=[group], port=DATABASE_PORT, publicly_accessible=False,
            multi_az=True,
            storage_type=rds.StorageType.GP3,
            allocated_storage=environment.database_storage_gb,
            max_allocated_storage=environment.database_storage_gb * _GROWTH,
            storage_encrypted=True, storage_encryption_key=key,
            backup_retention=Duration.days(environment.backup_days), copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            enable_performance_insights=True, performance_insight_encryption_key=key,
            # Also in dev: a stack that is deleted by mistake must not take the references with it.
            deletion_protection=True,
            removal_policy=RemovalPolicy.SNAPSHOT,
        )  # fmt: skip
        self.place_of = {user: self._place(user) for user in (*USERS, OWNER)}

    def resource(self, user: str) -> str:
        """The ARN that `rds-db:connect` is granted on."""
        dbi = self.instance.instance_resource_id
        return f"arn:{Aws.PARTITION}:rds-db:{Aws.REGION}:{Aws.ACCOUNT_ID}:dbuser:{dbi}/{user}"

    def _place(self, user: str) -> secrets.Secret:
        """Where a user finds the database. Not a password: those log in with a token, or have the owner's secret."""
        host, port = self.instance.instance_endpoint.hostname, DATABASE_PORT
        text = json.dumps({"username": user, "host": host, "port": port, "dbname": NAME})
        place = secrets.Secret(
            self, f"Place-{user}",
            secret_name=f"{self._environment.prefix}/database/{user}",
            description=f"Where {user} finds the database; its login is an IAM token, no password",
            encryption_key=self._key,
            secret_string_value=SecretValue.unsafe_plain_text(text),
            removal_policy=RemovalPolicy.DESTROY,
        )  # fmt: skip
        acknowledge(place, "AwsSolutions-SMG4", "an address without a password: there is nothing to rotate")
        return place
