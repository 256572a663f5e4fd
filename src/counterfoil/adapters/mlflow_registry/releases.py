"""Releases as MLflow runs with a registered model version each.

A run carries parameters, metrics and, under `release/`, the files; `files.json` beside them names each file's
SHA-256, and a tag of the version the SHA-256 of `files.json`. The version is made last: a run without one is
what a killed `register` left, and a rerun starts over. Aliases belong to the registered model, tags to the version.
"""

import fcntl
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from counterfoil.adapters.mlflow_registry.client import (
    ensure_experiment,
    fill_run,
    open_client,
    reported,
    require_experiment,
)
from counterfoil.adapters.mlflow_registry.release_files import file_hashes, require_files, require_id, verify
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.releases import RegisteredRelease

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_RELEASE_TAG = "release_id"
_FILES_TAG = "counterfoil.files_sha256"
_OWN_TAGS = (_RELEASE_TAG, _FILES_TAG)


class MlflowRegistry:
    """A ReleaseRegistry on an MLflow tracking URI.

    `cache` takes downloads and a lock file. `artifact_root` is where a tracking URI without an artifact
    store of its own (SQLite, PostgreSQL) keeps files; a server decides for itself. `name` is the experiment's
    and the registered model's. With `beside`, the files are below `artifact_root` wherever that lies now, not where
    MLflow says that they were written: database and files were moved or copied together.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        cache: Path,
        artifact_root: Path | None = None,
        name: str = "counterfoil",
        beside: bool = False,
    ) -> None:
        self._uri = tracking_uri
        self._cache = cache
        self._artifact_root = artifact_root
        self._name = name
        self._beside = beside
        self._opened: MlflowClient | None = None

    def require_writable(self) -> None:
        """Raise StoreUnavailableError if MLflow does not answer or if its experiment was deleted."""
        with self._reported():
            require_experiment(self._client(), self._name)

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
                home = self._home(run.info.run_id) if self._beside else None
                digest = fill_run(client, run, folder, hashes, parameters, metrics, home)
                marks = {_RELEASE_TAG: release_id, _FILES_TAG: digest}
                version = self._add_version(client, run, {**tags, **marks})
            return self._describe(client, version, self._aliases(client))

    def fetch(self, release_id: str) -> Path:
        """Return a folder with the release's files.

        Raises NotFoundError (which lists the ids there are), ReleaseMismatchError if a file is not the one
        that was registered.
        """
        with self._reported():
            client = self._client()
            version = self._version(client, release_id)
            local = self._local(str(version.source), str(version.run_id))
            if local is None:
                return self._download(client, release_id, version)
        verify(release_id, local.parent, version.tags[_FILES_TAG])
        return local

    def releases(self) -> list[RegisteredRelease]:
        """Return all releases, newest first."""
        with self._reported():
            client = self._client()
            versions, aliases = self._versions(client), self._aliases(client)
            found = [self._describe(client, version, aliases) for version in versions.values()]
        return sorted(found, key=lambda release: release.version, reverse=True)

    def set_alias(self, alias: str, release_id: str | None) -> None:
        """Let `alias` name this release from now on, or none; nothing happens if it does already.

        Raises NotFoundError for an unknown release, UsageError for an alias that MLflow does not take.
        """
        _require_alias(alias)
        with self._reported():
            client = self._client()
            if release_id is not None:
                version = self._version(client, release_id).version
                client.set_registered_model_alias(self._name, alias, str(version))
            elif self._all_versions(client):  # without a version there is no model to ask
                client.delete_registered_model_alias(self._name, alias)

    def tag(self, release_id: str, key: str, value: str) -> None:
        """Set a tag beside a release; its files never change.

        Raises NotFoundError for an unknown release, UsageError for a tag that the registry itself lives by.
        """
        if key in _OWN_TAGS:
            raise UsageError(f"tag {key!r} belongs to the registry and cannot be set: use another name")
        with self._reported():
            client = self._client()
            client.set_model_version_tag(self._name, str(self._version(client, release_id).version), key, value)

    def _home(self, run_id: str) -> Path:
        """Return where a run's files are, below the artifact root as it lies now."""
        assert self._artifact_root is not None
        return self._artifact_root / run_id / "artifacts"

    def _local(self, source: str, run_id: str) -> Path | None:
        """Return the folder of a release's files on this machine, or None if they are elsewhere."""
        return self._home(run_id) / "release" if self._beside else _local_folder(source)

    def _remove_files(self, run: "Run") -> None:
        """Remove the files of a run if they are on this machine, in a folder of its own."""
        run_id = str(run.info.run_id)
        local = self._home(run_id) if self._beside else _local_folder(str(run.info.artifact_uri))
        if local is not None and local.parent.name == run_id:
            shutil.rmtree(local.parent, ignore_errors=True)

    def _client(self) -> "MlflowClient":
        """Return the client, opened when first asked for; one process at a time makes the tables."""
        if self._opened is None:
            with self._locked():
                self._opened = open_client(self._uri)
        return self._opened

    @contextmanager
    def _held_client(self) -> Iterator["MlflowClient"]:
        """Give the client with the lock; it is opened before, as opening takes the lock too."""
        client = self._client()
        with self._locked():
            yield client

    def _reported(self) -> AbstractContextManager[None]:
        return reported(self._uri)

    def _all_versions(self, client: "MlflowClient") -> list["ModelVersion"]:
        """Return the versions that are releases, newest first."""
        query, found, token = f"name = '{self._name}'", [], ""
        while True:
            page = client.search_model_versions(query, max_results=1000, page_token=token or None)
            found += [version for version in page if _RELEASE_TAG in version.tags]
            token = page.token
            if not token:
                break
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def _versions(self, client: "MlflowClient") -> dict[str, "ModelVersion"]:
        """Return the first version of each release: two machines may have registered one at the same time."""
        return {version.tags[_RELEASE_TAG]: version for version in self._all_versions(client)}

    def _version(self, client: "MlflowClient", release_id: str) -> "ModelVersion":
        versions = self._versions(client)
        if release_id not in versions:
            there = ", ".join(sorted(versions)) or "none"
            raise NotFoundError(f"release {release_id!r} is not registered; there are: {there}")
        return versions[release_id]

    def _aliases(self, client: "MlflowClient") -> dict[str, str]:
        """Return the release that each alias names, by way of any of its versions."""
        ids = {int(version.version): version.tags[_RELEASE_TAG] for version in self._all_versions(client)}
        if not ids:
            return {}
        named = client.get_registered_model(self._name).aliases
        return {alias: ids[int(number)] for alias, number in named.items() if int(number) in ids}

    def _describe(
        self, client: "MlflowClient", version: "ModelVersion", aliases: Mapping[str, str]
    ) -> RegisteredRelease:
        release_id = version.tags[_RELEASE_TAG]
        metrics = client.get_run(str(version.run_id)).data.metrics
        tags = {key: value for key, value in version.tags.items() if key not in _OWN_TAGS}
        named = tuple(sorted(alias for alias, of in aliases.items() if of == release_id))
        return RegisteredRelease(release_id, int(version.version), dict(metrics), tags, named)

    def _fresh_run(self, client: "MlflowClient", release_id: str) -> "Run":
        """Start a run for the release, which has no version; close those that a killed `register` left."""
        experiment = ensure_experiment(client, self._name, self._artifact_root)
        unfinished = f"tags.{_RELEASE_TAG} = '{release_id}' and status != 'KILLED'"
        left = client.search_runs([experiment], unfinished)
        for run in left:
            self._remove_files(run)
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


def _require_alias(alias: str) -> None:
    """Raise UsageError for what MLflow refuses as an alias, in words of its own."""
    if not re.fullmatch(r"[a-z][a-z-]{0,59}", alias) or alias == "latest":
        raise UsageError(f"alias {alias!r} cannot be used: write small letters and hyphens, and not 'latest'")


def _local_folder(source: str) -> Path | None:
    """Return the folder that an artifact URI names on this machine, or None if it is elsewhere."""
    parts = urlsplit(source)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
