"""Releases as MLflow runs with a registered model version each.

A run carries parameters, metrics and, under `release/`, the files; `files.json` beside them names each file's
SHA-256, and a tag of the version the SHA-256 of `files.json`. The version is made last: a run without one is
what a killed `register` left, and a rerun starts over.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from counterfoil.adapters.release_files import file_hashes, require_files, require_id, verify
from counterfoil.errors import NotFoundError, StoreUnavailableError
from counterfoil.ports import RegisteredRelease

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_RELEASE_TAG = "release_id"
_FILES_TAG = "counterfoil.files_sha256"
_BATCH = 100  # what MLflow takes in one log_batch


class MlflowRegistry:
    """A ReleaseRegistry on an MLflow tracking URI.

    `cache` takes downloads and a lock file. `artifact_root` is where a tracking URI without an artifact
    store of its own (SQLite, PostgreSQL) keeps files; a server decides for itself. `name` is the experiment's
    and the registered model's.
    """

    def __init__(
        self, tracking_uri: str, *, cache: Path, artifact_root: Path | None = None, name: str = "counterfoil"
    ) -> None:
        self._uri = tracking_uri
        self._cache = cache
        self._artifact_root = artifact_root
        self._name = name
        self._opened: MlflowClient | None = None

    def register(
        self,
        release_id: str,
        folder: Path,
        *,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> RegisteredRelease:
        """Register a release; registering the same id again returns the one that is there.

        Raises UsageError for an unusable id, an empty folder or a pickle in it.
        """
        require_id(release_id)
        hashes = file_hashes(folder)
        require_files(folder, hashes)
        with self._reported(), self._held_client() as client:
            version = self._versions(client).get(release_id)
            if version is None:
                run = self._fresh_run(client, release_id)
                digest = _fill(client, run, folder, hashes, parameters, metrics)
                marks = {_RELEASE_TAG: release_id, _FILES_TAG: digest}
                version = self._add_version(client, run, {**tags, **marks})
            return _describe(client, version)

    def fetch(self, release_id: str) -> Path:
        """Return a folder with the release's files.

        Raises NotFoundError (which lists the ids there are), ReleaseMismatchError if a file is not the one
        that was registered.
        """
        with self._reported():
            client = self._client()
            versions = self._versions(client)
            if release_id not in versions:
                there = ", ".join(sorted(versions)) or "none"
                raise NotFoundError(f"release {release_id!r} is not registered; there are: {there}")
            version = versions[release_id]
            local = _local_folder(str(version.source))
            if local is None:
                return self._download(client, release_id, version)
        verify(release_id, local.parent, version.tags[_FILES_TAG])
        return local

    def releases(self) -> list[RegisteredRelease]:
        """Return all releases, newest first."""
        with self._reported():
            client = self._client()
            found = [_describe(client, version) for version in self._versions(client).values()]
        return sorted(found, key=lambda release: release.version, reverse=True)

    def _client(self) -> "MlflowClient":
        """Return the client, opened when first asked for; one process at a time makes the tables."""
        if self._opened is None:
            with self._locked():
                self._opened = _open(self._uri)
        return self._opened

    @contextmanager
    def _held_client(self) -> Iterator["MlflowClient"]:
        """Give the client with the lock; it is opened before, as opening takes the lock too."""
        client = self._client()
        with self._locked():
            yield client

    def _versions(self, client: "MlflowClient") -> dict[str, "ModelVersion"]:
        """Return the first version of each release: two machines may have registered one at the same time."""
        query, found, token = f"name = '{self._name}'", [], ""
        while True:
            page = client.search_model_versions(query, max_results=1000, page_token=token or None)
            found += [version for version in page if _RELEASE_TAG in version.tags]
            token = page.token
            if not token:
                break
        found.sort(key=lambda version: int(version.version), reverse=True)
        return {version.tags[_RELEASE_TAG]: version for version in found}

    def _fresh_run(self, client: "MlflowClient", release_id: str) -> "Run":
        """Start a run for the release and close those that a killed `register` left."""
        experiment = _ensure_experiment(client, self._name, self._artifact_root)
        unfinished = f"tags.{_RELEASE_TAG} = '{release_id}' and status = 'RUNNING'"
        left = client.search_runs([experiment], unfinished)
        for run in left:
            client.set_terminated(run.info.run_id, status="KILLED")
        return client.create_run(experiment, tags={_RELEASE_TAG: release_id}, run_name=release_id)

    def _add_version(self, client: "MlflowClient", run: "Run", tags: Mapping[str, str]) -> "ModelVersion":
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        run_id = run.info.run_id
        client.set_terminated(run_id)
        source = f"{run.info.artifact_uri}/release"
        return client.create_model_version(self._name, source=source, run_id=run_id, tags=dict(tags))

    def _download(self, client: "MlflowClient", release_id: str, version: "ModelVersion") -> Path:
        """Return the cached copy, or fetch one beside it and put it there once it is verified."""
        cached = self._cache / release_id
        digest = version.tags[_FILES_TAG]
        if cached.is_dir():
            verify(release_id, cached, digest)
            return cached / "release"
        aside = self._cache / f"{release_id}.{secrets.token_hex(6)}"
        aside.mkdir(parents=True)
        try:
            for part in ("files.json", "release"):
                client.download_artifacts(str(version.run_id), part, str(aside))
            verify(release_id, aside, digest)
            if not cached.is_dir():
                aside.rename(cached)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return cached / "release"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of this machine's processes on the registry."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / "registry.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn MLflow's and its database's failures into StoreUnavailableError, without a password."""
        _silence()
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            parts = urlsplit(self._uri)
            place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
            reason = str(error).strip().partition("\n")[0].replace(parts.password or self._uri, "***")
            raise StoreUnavailableError(
                f"the MLflow registry at {place} failed ({reason}): check the tracking URI and that its server runs"
            ) from None  # SQLAlchemy's errors quote the URI


def _silence() -> None:
    """Stop MLflow's usage reports, before it is imported, and its and alembic's chatter."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _open(uri: str) -> "MlflowClient":
    """Return a client whose tables exist. Raises StoreUnavailableError if SQLite cannot open its file."""
    from mlflow import MlflowClient

    if uri.startswith("sqlite:///"):
        _require_sqlite(Path(uri.removeprefix("sqlite:///")))
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_registered_models(max_results=1)
    return client


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


def _ensure_experiment(client: "MlflowClient", name: str, artifact_root: Path | None) -> str:
    """Return the experiment's id."""
    from mlflow.exceptions import MlflowException

    location = None if artifact_root is None else artifact_root.resolve().as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = client.get_experiment_by_name(name)  # another machine was faster
    if experiment is None:
        raise StoreUnavailableError(f"MLflow experiment {name!r} was deleted: restore it, or use another name")
    return str(experiment.experiment_id)


def _fill(
    client: "MlflowClient",
    run: "Run",
    folder: Path,
    hashes: Mapping[str, str],
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
) -> str:
    """Write a run's parameters, metrics and files, and return the SHA-256 of files.json."""
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
    client.log_text(run_id, listing, "files.json")
    client.log_artifacts(run_id, str(folder), "release")
    return hashlib.sha256(listing.encode()).hexdigest()


def _describe(client: "MlflowClient", version: "ModelVersion") -> RegisteredRelease:
    metrics = client.get_run(str(version.run_id)).data.metrics
    tags = {key: value for key, value in version.tags.items() if key not in (_RELEASE_TAG, _FILES_TAG)}
    return RegisteredRelease(version.tags[_RELEASE_TAG], int(version.version), dict(metrics), tags)


def _local_folder(source: str) -> Path | None:
    """Return the folder that an artifact URI names on this machine, or None if it is elsewhere."""
    parts = urlsplit(source)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
