"""Settings to adapters: one workspace object that makes each store when it is first asked for."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.folder.key import KeyFile, keys_of_text
from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import UsageError
from counterfoil.ports.analyses import AnalysisRunner
from counterfoil.ports.desk import CaseStore, ListStore
from counterfoil.ports.lake import FileLedger, InputReader, NetworkDirectory, TableStore
from counterfoil.ports.releases import DecisionLog, ReferenceStore, ReleaseRegistry, TextEmbedder
from counterfoil.ports.service import (
    Alert,
    AlertLog,
    AlertSink,
    Checkpoints,
    OverlayStore,
    ProfileStore,
    ScoreLog,
    TokenStore,
)
from counterfoil.ports.stores import Stores
from counterfoil.steps.scoring.compute import Compute
from counterfoil.workspace.settings import LOCAL_BUCKET, Settings, load_pipeline_settings, load_settings

if TYPE_CHECKING:
    from counterfoil.adapters.postgres.connections import Login
    from counterfoil.domain.intake.mapping_model import SourceMapping
    from counterfoil.steps.privacy.forget_service import ServiceStores
    from counterfoil.steps.scoring.alerts import AlertDesk
    from counterfoil.steps.scoring.analyses import Analyses
    from counterfoil.steps.scoring.champion import Champion
    from counterfoil.steps.scoring.confirm import Confirmations
    from counterfoil.steps.scoring.policies import Policies
    from counterfoil.steps.scoring.score_one import OnlineScorer
    from counterfoil.steps.scoring.scorer import Detector
    from counterfoil.steps.scoring.settle import Settling

LEDGER_LEASE = timedelta(minutes=2)
"""For how long DynamoDB's ledger keeps the claim of a process that died."""


def open_workspace(folder: Path | None = None) -> "Workspace":
    """The workspace of the environment's settings, or that in `folder`."""
    return Workspace(load_settings(folder))


class Workspace:
    """The stores of one workspace. Nothing is opened, started or imported before it is needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.workspace.expanduser().resolve()

    @cached_property
    def tables(self) -> TableStore:
        """Tables in S3 and Glue, or in the workspace's folder.

        Raises UsageError where a change of the key was killed between taking the lake away and putting the new one.
        """
        if self.settings.lake is None:
            if not (self.root / "lake").exists():
                self.key_file.require_unchanged()
            return FolderTables(self.root / "lake")
        return self.tables_at(self.settings.lake, self.settings.glue_database)

    def tables_at(self, lake: str, glue_database: str) -> TableStore:
        """Tables of another lake in S3."""
        from counterfoil.adapters.aws.tables import S3Tables

        return S3Tables(lake, glue_database=glue_database, cache=self.root / "cache")

    @cached_property
    def reader(self) -> InputReader:
        """The reader of payment files."""
        return InputFiles(self.settings.unpack_limits)

    @cached_property
    def networks(self) -> NetworkDirectory | None:
        """Countries and networks of addresses, where databases of them are named."""
        country, asn = self.settings.geoip_country, self.settings.geoip_asn
        if country is None and asn is None:
            return None
        from counterfoil.adapters.files.networks import MaxmindNetworks

        return MaxmindNetworks(country=country, asn=asn)

    @cached_property
    def login(self) -> "Login":
        """How to connect to the database: to the configured one with TLS verified, or to the embedded one, started."""
        dsn = self._configured_dsn()
        if dsn is None:
            return self._embedded_dsn()
        if self.settings.database_auth == "iam":
            from counterfoil.adapters.postgres.rds_login import iam_login

            return iam_login(dsn, self.settings.database_ca)
        from counterfoil.adapters.postgres.tls import with_verified_tls

        return with_verified_tls(dsn, self.settings.database_ca)

    @property
    def dsn(self) -> str:
        """A DSN to connect to the database with now."""
        from counterfoil.adapters.postgres.connections import fresh_dsn

        return fresh_dsn(self.login)

    def _configured_dsn(self) -> str | None:
        url = self.settings.database_url
        dsn = None if url is None else url.get_secret_value()
        secret_id = self.settings.database_url_secret
        if secret_id is None:
            return dsn
        from counterfoil.adapters.aws.secrets import read_secret
        from counterfoil.adapters.postgres.secret_dsn import dsn_of_secret

        return dsn_of_secret(read_secret(secret_id), secret_id, base=dsn)

    def _embedded_dsn(self) -> str:
        if self.settings.database_auth == "iam":
            raise UsageError(
                "COUNTERFOIL_DATABASE_AUTH=iam is a login to RDS and no database is named: set COUNTERFOIL_DATABASE_URL"
            )
        from counterfoil.adapters.postgres import embedded as embedded_postgres

        return embedded_postgres.start(self.root / "postgres")

    @cached_property
    def ledger(self) -> FileLedger:
        """Claims on input files: in DynamoDB, or in the database."""
        if self.settings.ledger_table is not None:
            from counterfoil.adapters.aws.ledger import DynamoLedger

            return DynamoLedger(self.settings.ledger_table, lease=LEDGER_LEASE)
        from counterfoil.adapters.postgres.ledger import PostgresLedger

        return PostgresLedger(self.login)

    @cached_property
    def decisions(self) -> DecisionLog:
        """What was decided, by whom and why."""
        from counterfoil.adapters.postgres.decisions import PostgresDecisions

        return PostgresDecisions(self.login)

    @cached_property
    def references(self) -> ReferenceStore:
        """Reference sets, for writing."""
        from counterfoil.adapters.postgres.references import PostgresReferences

        return PostgresReferences(self.login)

    @cached_property
    def references_for_scoring(self) -> ReferenceStore:
        """Reference sets as the read-only role sees them."""
        from counterfoil.adapters.postgres.references import PostgresReferences

        return PostgresReferences(self.login, reader=True)

    @cached_property
    def registry(self) -> ReleaseRegistry:
        """The releases."""
        from counterfoil.adapters.mlflow_registry.releases import MlflowRegistry

        folder = self.root / "mlflow"
        uri = self.settings.tracking_uri
        if uri is None:
            folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{folder / 'mlflow.db'}"
        own = self.settings.tracking_uri is None
        return MlflowRegistry(uri, cache=folder / "cache", artifact_root=folder / "artifacts", beside=own)

    @cached_property
    def profiles(self) -> ProfileStore:
        """What entities did, for scoring in real time: in DynamoDB, or in the database."""
        if self.settings.profile_table is not None:
            from counterfoil.adapters.aws.profiles import DynamoProfiles

            return DynamoProfiles(self.settings.profile_table)
        from counterfoil.adapters.postgres.profiles import PostgresProfiles

        return PostgresProfiles(self.login)

    @cached_property
    def scores(self) -> ScoreLog:
        """The scores that the service gave."""
        from counterfoil.adapters.postgres.scores import PostgresScores

        return PostgresScores(self.login)

    @cached_property
    def service_stores(self) -> "ServiceStores":
        """Where the service keeps what it knows of accounts."""
        from counterfoil.adapters.postgres.account_rows import PostgresAccountRows
        from counterfoil.steps.privacy.forget_service import ServiceStores

        return ServiceStores(PostgresAccountRows(self.login), self.profiles, self.overlays)

    @cached_property
    def overlays(self) -> OverlayStore:
        """What feedback changed in the references of releases."""
        from counterfoil.adapters.postgres.overlays import PostgresOverlays

        return PostgresOverlays(self.login)

    @cached_property
    def confirmations(self) -> "Confirmations":
        """Turns feedback into references of the release in use."""
        from counterfoil.steps.scoring.confirm import Confirmations

        settings = self.settings
        return Confirmations(
            self.decisions, self.scores, self.overlays, self.champion, settings.feedback_most_changed,
            settings.feedback_acts,
        )  # fmt: skip

    @cached_property
    def settling(self) -> "Settling":
        """Completes what was begun when feedback came, and takes it into the lake."""
        from counterfoil.adapters.postgres.turns import PostgresTurns
        from counterfoil.steps.scoring.settle import Settling

        return Settling(
            self.decisions, self.scores, self.profiles, self.tables, self.checkpoints, self.confirmations,
            PostgresTurns(self.login),
        )  # fmt: skip

    @cached_property
    def lists(self) -> ListStore:
        """The lists that a policy reads."""
        from counterfoil.adapters.postgres.policy_lists import PostgresLists

        return PostgresLists(self.login)

    @cached_property
    def cases(self) -> CaseStore:
        """Alerts that are looked at together."""
        from counterfoil.adapters.postgres.cases import PostgresCases

        return PostgresCases(self.login)

    @cached_property
    def policies(self) -> "Policies":
        """The policy in force."""
        from counterfoil.steps.scoring.policies import Policies

        return Policies(self.decisions, self.lists, lambda: self.pseudonym_key)

    @cached_property
    def tokens(self) -> TokenStore:
        """Who may ask the service."""
        from counterfoil.adapters.postgres.tokens import PostgresTokens

        return PostgresTokens(self.login)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """How far streams were consumed."""
        from counterfoil.adapters.postgres.checkpoints import PostgresCheckpoints

        return PostgresCheckpoints(self.login)

    @cached_property
    def alert_log(self) -> AlertLog:
        """Alerts on their way."""
        from counterfoil.adapters.postgres.alerts import PostgresAlerts

        return PostgresAlerts(self.login)

    def alert_desk(self, tell: Callable[[Alert], object]) -> "AlertDesk":
        """Sends alerts to SNS or to a webhook, or to `tell` where neither is set."""
        from counterfoil.steps.scoring.alerts import AlertDesk

        window = timedelta(minutes=self.settings.alerts_window_minutes)
        return AlertDesk(self.scores, self.alert_log, self._alert_sink(tell), self.settings.alerts_per_day, window)

    def _alert_sink(self, tell: Callable[[Alert], object]) -> AlertSink:
        topic, webhook, key = (
            self.settings.alerts_topic, self.settings.alerts_webhook, self.settings.alerts_webhook_key,
        )  # fmt: skip
        if topic is not None and webhook is not None:
            raise UsageError("COUNTERFOIL_ALERTS_TOPIC and COUNTERFOIL_ALERTS_WEBHOOK are both set: keep one")
        if topic is not None:
            from counterfoil.adapters.aws.alerts import SnsAlerts

            return SnsAlerts(topic)
        if webhook is not None:
            from counterfoil.adapters.webhook.alerts import WebhookAlerts

            return WebhookAlerts(webhook.get_secret_value(), key.get_secret_value() if key is not None else None)
        from counterfoil.adapters.memory.alerts import ListedAlerts

        return ListedAlerts(tell)

    @cached_property
    def champion(self) -> "Champion":
        """The release in use, kept ready for scoring in real time."""
        from counterfoil.steps.scoring.champion import Champion

        return Champion(
            self.stores_for_scoring,
            self.overlays,
            self._mapping_of,
            self.compute,
            self.settings.service_release,
            policy=lambda: self.policies.current(),
        )

    def _mapping_of(self, name: str) -> "SourceMapping":
        from counterfoil.adapters.files.mapping_files import load_mapping

        return load_mapping(self.settings.service_mapping or name)

    @cached_property
    def online_scorer(self) -> "OnlineScorer":
        """Scores single payments."""
        from counterfoil.steps.scoring.score_one import OnlineScorer

        deadline = timedelta(milliseconds=self.settings.service_profile_deadline_ms)
        return OnlineScorer(self.champion, self.profiles, self.scores, deadline, self.settings.service_threads)

    @cached_property
    def analyses(self) -> "Analyses":
        """Runs the detection pipeline on files that are asked for."""
        from counterfoil.adapters.files.mapping_files import shipped_mappings
        from counterfoil.steps.scoring.analyses import Analyses

        return Analyses(self._analysis_runner, self.decisions, self.registry, shipped_mappings())

    @property
    def _analysis_runner(self) -> AnalysisRunner:
        """SageMaker for files in S3, else processes of this machine."""
        raw = self.settings.analyses_from
        if raw is not None and raw.startswith("s3://"):
            from counterfoil.adapters.aws.analyses import SageMakerAnalyses

            pipelines = load_pipeline_settings()
            return SageMakerAnalyses(raw, f"{pipelines.name_prefix}-detection", pipelines.bucket, pipelines.region)
        from counterfoil.adapters.folder.analyses import FolderAnalyses

        folder = self.root / "inbox" if raw is None else Path(raw)
        return FolderAnalyses(self.root, folder, LOCAL_BUCKET, self.settings.as_environment())

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The sentence encoder."""
        from counterfoil.adapters.text.embedder import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(
            self.settings.text_model, device=self.device, half_precision=self.settings.half_precision
        )

    @cached_property
    def device(self) -> str:
        """Where vectors are computed: what is set, or a GPU where torch sees one."""
        if self.settings.device != "auto":
            return self.settings.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def compute(self) -> Compute:
        """Where and how vectors are compared."""
        return Compute(self.device, self.settings.half_precision, self.settings.batch_rows)

    @property
    def stores(self) -> Stores:
        """What training needs, opened; `stores_for_scoring` has the references that scoring may read."""
        return Stores(self.tables, self.references, self.registry, self.embedder)

    @property
    def stores_for_scoring(self) -> Stores:
        """What scoring needs, opened."""
        return Stores(self.tables, self.references_for_scoring, self.registry, self.embedder)

    def detector(self, name: str | None = None) -> "Detector":
        """A release ready to score: by its id or alias; the champion, else the newest, if there is no `name`.

        Raises NotFoundError, and ReleaseMismatchError if references or text encoder are not the release's.
        """
        from counterfoil.steps.releases.registration import load_release
        from counterfoil.steps.releases.releases import resolve
        from counterfoil.steps.scoring.scorer import Detector

        release = load_release(self.registry, resolve(self.registry, name))
        return Detector.load(release, self.references_for_scoring, self.embedder, self.compute)

    @cached_property
    def pseudonym_key(self) -> PseudonymKeys:
        """The key of the keyed hashes, with those before it: what is set, or one that this workspace made for itself.

        Raises UsageError while the workspace's key is being changed.
        """
        given = self._given_key()
        return self.key_file.read() if given is None else keys_of_text(given)

    @property
    def key_file(self) -> KeyFile:
        """The key that this workspace made for itself; it counts where none is set."""
        return KeyFile(self.root / "pseudonym.key")

    @property
    def has_own_key(self) -> bool:
        """Whether the workspace's own key is the one in use."""
        return self.settings.pseudonym_key is None and self.settings.pseudonym_key_secret is None

    def _given_key(self) -> str | None:
        key, secret_id = self.settings.pseudonym_key, self.settings.pseudonym_key_secret
        if key is not None and secret_id is not None:
            # With the wrong one of two keys, known people would look like new ones.
            raise UsageError("COUNTERFOIL_PSEUDONYM_KEY and COUNTERFOIL_PSEUDONYM_KEY_SECRET are both set: keep one")
        if secret_id is None:
            return None if key is None else key.get_secret_value()
        from counterfoil.adapters.aws.secrets import read_secret

        return read_secret(secret_id)
