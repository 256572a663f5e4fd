"""The stack of everything that keeps data."""

import aws_cdk as cdk
from aws_cdk import Stack
from constructs import Construct

from infra.environments import Environment
from infra.network import DATA, Network
from infra.parts.buckets import Buckets
from infra.parts.database import Database
from infra.parts.key import DataKey
from infra.parts.pseudonym_key import PseudonymKey
from infra.parts.tables import Tables


class Lake(Stack):
    """Buckets, tables, database and secrets, all under one key."""

    def __init__(
        self, scope: Construct, id: str, environment: Environment, network: Network, env: cdk.Environment
    ) -> None:
        super().__init__(scope, id, env=env)
        self.key = DataKey(self, "DataKey", environment).key
        self.buckets = Buckets(self, "Buckets", environment, self.key)
        self.tables = Tables(self, "Tables", environment, self.key)
        self.database = Database(self, "Database", environment, network.vpc, DATA, network.peers.database, self.key)
        self.pseudonym_key = PseudonymKey(self, "PseudonymKey", environment, self.key).secret
