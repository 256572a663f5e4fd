"""Settings to adapters: one workspace object that makes each store when it is first asked for."""

import os
import secrets
from functools import cached_property
from pathlib import Path

from counterfoil.adapters.input_files import InputFiles
from counterfoil.adapters.table_folder import FolderTables
from counterfoil.errors import UsageError
from counterfoil.ports import FileLedger, InputReader, ReferenceStore, ReleaseRegistry, TableStore, TextEmbedder
from counterfoil.settings import Settings, load_settings
from counterfoil.steps.detect import Compute

KEY_BYTES = 32


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
        """Tables in the workspace's lake."""
        return FolderTables(self.root / "lake")

    @cached_property
    def reader(self) -> InputReader:
        """The reader of payment files."""
        return InputFiles()

    @cached_property
    def dsn(self) -> str:
        """The configured database, or the embedded one, started."""
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from counterfoil.adapters import embedded_postgres

        return embedded_postgres.start(self.root / "postgres")

    @cached_property
    def ledger(self) -> FileLedger:
        """Claims on input files."""
        from counterfoil.adapters.ledger_postgres import PostgresLedger

        return PostgresLedger(self.dsn)

    @cached_property
    def references(self) -> ReferenceStore:
        """Reference sets, for writing."""
        from counterfoil.adapters.references_postgres import PostgresReferences

        return PostgresReferences(self.dsn)

    @cached_property
    def references_for_scoring(self) -> ReferenceStore:
        """Reference sets as the read-only role sees them."""
        from counterfoil.adapters.references_postgres import PostgresReferences

        return PostgresReferences(self.dsn, reader=True)

    @cached_property
    def registry(self) -> ReleaseRegistry:
        """The releases."""
        from counterfoil.adapters.registry_mlflow import MlflowRegistry

        folder = self.root / "mlflow"
        uri = self.settings.tracking_uri
        if uri is None:
            folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{folder / 'mlflow.db'}"
        return MlflowRegistry(uri, cache=folder / "cache", artifact_root=folder / "artifacts")

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The sentence encoder."""
        from counterfoil.adapters.embedder_sentence_transformers import SentenceTransformerEmbedder

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

    @cached_property
    def pseudonym_key(self) -> bytes:
        """The key of the keyed hashes: what is set, or one that this workspace made for itself."""
        if self.settings.pseudonym_key is not None:
            return self.settings.pseudonym_key.get_secret_value().encode()
        path = self.root / "pseudonym.key"
        if not path.exists():
            _write_key(path)
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise UsageError(f"{path} has {len(key)} bytes, {KEY_BYTES} are expected: restore it from a backup")
        return key


def _write_key(path: Path) -> None:
    """Make a key that only its owner can read; of two processes that try at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
