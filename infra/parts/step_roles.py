"""A role for each step of the pipelines: it reads its channels, writes its own, and reaches only its stores."""

from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.environments import Environment
from infra.lake import Lake
from infra.network import TASKS, Network
from infra.parts import rights
from infra.parts.database import STEPS
from infra.repositories import Repositories
from pipelines.catalogue import JOBS

_JOB_LOGS = "/aws/sagemaker/ProcessingJobs"


@dataclass(frozen=True)
class Needs:
    """What a step reaches besides the outputs of the steps before it."""

    lake: tuple[str, ...] = ()
    raw: bool = False
    pseudonyms: bool = False
    ledger: bool = False
    releases: bool = False
    database: bool = False
    publishes: bool = False


_SHOWN = ("transactions", "labels", "rejected", "source_ips", "source_ip_days", "scores", "scored_evidence")
"""What a notebook shows. Raw addresses and the names of forgotten accounts are not in it."""
NEEDS = {
    "collect": Needs(lake=("transactions", "labels", "forgotten"), raw=True, pseudonyms=True, ledger=True),
    "curate": Needs(lake=("transactions", "labels", "addresses")),
    "features": Needs(lake=("transactions", "labels")),
    "train": Needs(lake=("labels",)),
    "evaluate": Needs(lake=("labels",), releases=True, database=True),
    "gate": Needs(),
    "register": Needs(releases=True, database=True),
    "detect": Needs(lake=("transactions",), releases=True, database=True),
    "publish": Needs(publishes=True, ledger=True),
    "report": Needs(releases=True),
    "insights": Needs(lake=_SHOWN, releases=True, database=True),
}


class StepRoles(Construct):
    """One role a step of `pipelines.catalogue.JOBS`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        environment: Environment,
        network: Network,
        lake: Lake,
        repositories: Repositories,
        tracking_arn: str,
        glue_database: str,
    ) -> None:
        super().__init__(scope, id)
        self._network, self._lake, self._repositories = network, lake, repositories
        self._tracking_arn, self._glue_database = tracking_arn, glue_database
        self.by_step = {step: self._role(step, environment) for step in JOBS}

    def _role(self, step: str, environment: Environment) -> iam.Role:
        role = iam.Role(
            self, step,
            role_name=f"{environment.prefix}-step-{step}",
            description=f"The step {step} of the pipelines",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )  # fmt: skip
        rights.grant(role, self._of_every_step(step), *self._of_needs(NEEDS[step]))
        return role

    def _of_every_step(self, step: str) -> rights.Rights:
        lake, network = self._lake.buckets.lake, self._network
        logs = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{_JOB_LOGS}"
        subnets = network.vpc.select_subnets(subnet_type=TASKS.subnet_type).subnet_ids
        return [
            *rights.read_objects(lake, "executions/", *(f"lake/{table}/" for table in NEEDS[step].lake)),
            *rights.write_objects(lake, f"executions/*/{step}/"),
            *rights.use_key(self._lake.key),
            *rights.pull_image(self._repositories.by_image[JOBS[step].container].repository_arn),
            *rights.write_logs(logs),
            *rights.measure("/aws/sagemaker/ProcessingJobs", "MeasureJobs"),
            *rights.run_in_network(subnets, [network.peers.jobs.security_group_id]),
        ]

    def _of_needs(self, needs: Needs) -> list[rights.Rights]:
        lake, granted, secrets = self._lake, list[rights.Rights](), list[str]()
        if needs.raw:
            granted.append(rights.read_objects(lake.buckets.raw, "incoming/"))
        if needs.pseudonyms:
            secrets.append(lake.pseudonym_key.secret_arn)
        if needs.ledger:
            granted.append(rights.claim_files(lake.tables.ledger))
        if needs.releases:
            granted.append(rights.keep_releases(self._tracking_arn))
            granted.append(rights.keep_objects(lake.buckets.artefacts, "mlflow/"))
        if needs.database:
            granted.append(rights.log_in_to_database(lake.database.resource(STEPS)))
            secrets.append(lake.database.place_of[STEPS].secret_arn)
        if needs.publishes:
            granted.append(rights.keep_objects(lake.buckets.lake, "lake/"))
            granted.append(rights.follow_catalogue(self._glue_database))
        return [*granted, *([rights.read_secrets(*secrets)] if secrets else [])]
