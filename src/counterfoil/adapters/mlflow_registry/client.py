"""How the registry reaches MLflow: a quiet client, its experiment, a run's content, failures in words."""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from counterfoil.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_CURE = "check the tracking URI and that its server runs"
_NO_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
"""MLflow's word on a folder from 3.17 on, and the variable that lets it have one."""
_BY_THE_WAY = "(raised as a result of Query-invoked autoflush"
ANSWER_SECONDS = 4.0
"""How long a server may take to say that it is there."""
_BATCH = 100  # what MLflow takes in one log_batch


@contextmanager
def reported(uri: str) -> Iterator[None]:
    """Turn MLflow's and its database's failures into StoreUnavailableError, without a password."""
    silence()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        lines = [line for line in str(error).strip().splitlines() if not line.startswith(_BY_THE_WAY)]
        reason = next(iter(lines), type(error).__name__).replace(urlsplit(uri).password or uri, "***")
        if _NO_FOLDERS in reason:
            raise StoreUnavailableError(_instead_of_folder(Path(urlsplit(uri).path))) from None
        cure = "make room on the disk and run this again" if _is_full(reason) else _CURE
        # SQLAlchemy's errors quote the URI.
        raise StoreUnavailableError(f"the MLflow registry at {_place(uri)} failed ({reason}): {cure}") from None


def _place(uri: str) -> str:
    """An address without its login."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _instead_of_folder(path: Path) -> str:
    file = path if path.is_file() or path.suffix == ".db" else path / "mlflow.db"
    return (
        f"the MLflow registry cannot be in the folder {path}, MLflow keeps no releases in folders any more: write the "
        f"tracking URI 'sqlite:///{file}', or set {_NO_FOLDERS}=true if the folder has some"
    )


def _is_full(reason: str) -> bool:
    return any(words in reason for words in ("disk is full", "No space left", "File too large"))


def silence() -> None:
    """Stop MLflow's usage reports, before it is imported, and its and alembic's chatter."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    # A server that goes away meanwhile: two more tries, a second and two later.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It writes the trace of each error that it raises; `reported` tells these in a line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def open_client(uri: str) -> "MlflowClient":
    """Return a client whose tables exist. Raises StoreUnavailableError if SQLite cannot open its file.

    One process at a time may do this to a file of SQLite.
    """
    from mlflow import MlflowClient

    if uri.startswith(("http://", "https://")):
        _require_server(uri)
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///"))
        _require_sqlite(path)
        _require_tables(path)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_registered_models(max_results=1)
    return client


def _require_server(uri: str) -> None:
    """Raise StoreUnavailableError unless the server answers: MLflow would try for minutes."""
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=(ANSWER_SECONDS, ANSWER_SECONDS))
    except requests.RequestException as error:
        raise StoreUnavailableError(
            f"the MLflow registry at {_place(uri)} does not answer ({type(error).__name__}): {_CURE}"
        ) from None


def _require_sqlite(path: Path) -> None:
    # MLflow tries a hundred seconds to open what cannot be opened.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailableError(
            f"the MLflow registry in {path} cannot be opened ({error}): check the tracking URI and the folder"
        ) from error


def _require_tables(path: Path) -> None:
    """Make MLflow's tables aside and put them in place when all are there: with half of them it cannot go on."""
    if path.stat().st_size:
        return
    aside = path.with_name(f"{path.name}.new")
    for left in path.parent.glob(f"{aside.name}*"):  # of a killed process, the journal too
        left.unlink()
    make_tables(aside)
    aside.replace(path)


def make_tables(file: Path) -> None:
    """Make MLflow's tables in a new file of SQLite."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")  # type: ignore[no-untyped-call]
    try:
        _initialize_tables(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()


def require_experiment(client: "MlflowClient", name: str) -> str | None:
    """Return the id of the experiment, or None if there is none yet. Raises StoreUnavailableError if it was deleted."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    if experiment.lifecycle_stage == "deleted":
        number = experiment.experiment_id
        raise StoreUnavailableError(
            f"MLflow experiment {name!r} was deleted, so no release can be registered: restore it with "
            f"'mlflow experiments restore --experiment-id {number}' (MLFLOW_TRACKING_URI names the registry)"
        )
    return str(experiment.experiment_id)


def ensure_experiment(client: "MlflowClient", name: str, artifact_root: Path | None) -> str:
    """Return the experiment's id, of a new one if need be. Raises StoreUnavailableError if it was deleted."""
    from mlflow.exceptions import MlflowException

    location = None if artifact_root is None else artifact_root.resolve().as_uri()
    found = require_experiment(client, name)
    if found is not None:
        return found
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException as error:
        # Another machine was faster.
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or (found := require_experiment(client, name)) is None:
            raise
        return found


def fill_run(
    client: "MlflowClient",
    run: "Run",
    folder: Path,
    hashes: Mapping[str, str],
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
    home: Path | None = None,
) -> str:
    """Write a run's parameters, metrics and files, and return the SHA-256 of files.json.

    The files go into the folder `home`, or where MLflow keeps them.
    """
    from mlflow.entities import Metric, Param

    run_id, now = run.info.run_id, time.time_ns() // 1_000_000
    entries: list[Any] = [Param(key, value) for key, value in parameters.items()]
    entries += [Metric(key, value, now, 0) for key, value in metrics.items()]
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        client.log_batch(
            run_id,
            params=[entry for entry in batch if isinstance(entry, Param)],
            metrics=[entry for entry in batch if isinstance(entry, Metric)],
        )
    listing = json.dumps(hashes, indent=1, sort_keys=True)
    if home is None:
        client.log_text(run_id, listing, "files.json")
        client.log_artifacts(run_id, str(folder), "release")
    else:
        home.mkdir(parents=True, exist_ok=True)
        (home / "files.json").write_text(listing, encoding="utf-8")
        shutil.copytree(folder, home / "release", dirs_exist_ok=True)
    return hashlib.sha256(listing.encode()).hexdigest()
