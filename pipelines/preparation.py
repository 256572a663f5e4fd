"""What is done before a pipeline starts: names become ids, the raw files' state gets a name, the lake exists."""

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from counterfoil.domain.options import NONE
from counterfoil.domain.policy.desk_words import IN_FORCE
from counterfoil.domain.tables import FORGOTTEN_TABLE, LABELS_TABLE, TRANSACTIONS
from counterfoil.errors import NotFoundError
from counterfoil.ports.releases import ReleaseRegistry
from counterfoil.steps.releases.releases import CHAMPION, resolve
from counterfoil.workspace.settings import PipelineSettings
from counterfoil.workspace.wiring import Workspace
from pipelines.catalogue import LAKE_TABLES
from pipelines.parameters import INPUT_VERSION, check_values
from pipelines.raw_files import input_version

POLICY = "Policy"
_ALIASED = {"training": "Champion", "detection": "Release"}


def prepare_start(
    name: str, given: Mapping[str, str], settings: PipelineSettings, place: Workspace, *, local: bool = False
) -> dict[str, str]:
    """Complete a pipeline's parameters, and let the lake's tables have manifests.

    A release's alias becomes its id (a training without a champion is judged by itself), and the policy in force gets
    a name that is another one after each change of rules or lists, because the step cache compares what it is given.
    `place` has the lake and the registry that the pipeline will use. Raises UsageError, NotFoundError and
    StoreUnavailableError.
    """
    values = {**given, **_local_files(given, place.root)} if local else dict(given)
    check_values(name, settings, {INPUT_VERSION: NONE, **values}, local=local)
    if values.get(INPUT_VERSION, NONE) == NONE:
        # Rows of an account that was forgotten meanwhile are not collected: that is another answer.
        # What was said of payments meanwhile changes evidence and training.
        read = (TRANSACTIONS, FORGOTTEN_TABLE, LABELS_TABLE)
        runs = [run for table in read for run in place.tables.version(table).items()]
        # After a change of the workspace's own key the same files give other rows; in S3 the lake has another place.
        runs += [("key", changed)] if (changed := place.key_file.changed_id) else []
        failed = _failed_files(place, local=local)
        values[INPUT_VERSION] = input_version(values["RawUri"], settings, place.root, runs, failed)
    if name == "training":
        place.registry.require_writable()
    aliased = _ALIASED[name]
    values[aliased] = _release_id(place.registry, name, values.get(aliased, CHAMPION))
    if name == "detection" and (policy := values.get(POLICY, IN_FORCE)) != NONE:
        values[POLICY] = _policy(place, policy, local=local)
    for table in LAKE_TABLES:
        place.tables.prepare(table)
    return values


def _has_database(place: Workspace, *, local: bool) -> bool:
    named = place.settings.database_url is not None or place.settings.database_url_secret is not None
    return named or (local and (place.root / "postgres").exists())


def _policy(place: Workspace, name: str, *, local: bool) -> str:
    """What the step `detect` is told. Without a database to ask it is the step that finds what is in force."""
    if _has_database(place, local=local):
        return place.policies.pinned(name) or NONE
    return NONE if local and name == IN_FORCE else name


def _failed_files(place: Workspace, *, local: bool) -> set[str]:
    """Where the files are that could not be collected; none where there is no ledger yet to ask."""
    if not (place.settings.ledger_table or _has_database(place, local=local)):
        return set()
    return {entry.file.location for entry in place.ledger.entries() if entry.state == "failed"}


def _release_id(registry: ReleaseRegistry, pipeline: str, release: str) -> str:
    if pipeline == "training" and release == NONE:
        return NONE
    try:
        return resolve(registry, release)
    except NotFoundError:
        # The first training of all has nothing to be compared with.
        if pipeline == "training" and release == CHAMPION:
            return NONE
        raise


def _local_files(given: Mapping[str, str], root: Path) -> dict[str, str]:
    """Paths as steps find them, which run in other folders; a mapping's file under a name of its content."""
    found: dict[str, str] = {}
    raw, mapping = given.get("RawUri", ""), given.get("Mapping", "")
    if raw and "://" not in raw:
        found["RawUri"] = str(Path(raw).expanduser().resolve())
    if mapping.endswith(".toml") and Path(mapping).is_file():
        found["Mapping"] = str(_kept_mapping(Path(mapping), root))
    return found


def _kept_mapping(path: Path, root: Path) -> Path:
    """A copy whose name changes with the content: the step cache compares names."""
    kept = root / "mappings" / f"{path.stem}-{sha256(path.read_bytes()).hexdigest()[:12]}.toml"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, kept)
    return kept
