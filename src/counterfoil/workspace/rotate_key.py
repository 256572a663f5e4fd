"""The command rotate-key: a workspace's lake and key change together, or a lake in S3 is copied for the next key."""

import shutil
from datetime import UTC, datetime

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.errors import UsageError
from counterfoil.progress import Progress
from counterfoil.steps.lake.keys import require_key
from counterfoil.steps.privacy.rotate_key import ROTATE_KEY, Rekeyed, Rotation, rekey, require_quiet, tell
from counterfoil.workspace.wiring import Workspace


def rotate_own_key(place: Workspace, operator: str, reason: str, progress: Progress = Progress()) -> Rotation:
    """Give a workspace with its own key and lake a new key. Killed at any moment and called again, it is finished.

    The lake is copied aside, then both lakes are renamed and the key follows; while `pseudonym.key.next` is there,
    nothing is collected. Raises UsageError where key or lake are configured elsewhere, or a file is being collected.
    """
    if not place.has_own_key or place.settings.lake is not None:
        raise UsageError(
            "the key or the lake of this workspace is configured from outside: name the next lake and key with "
            "--into and --new-key-secret, then change the settings"
        )
    file = place.key_file
    if not file.changing and _untold(place, file.current()):  # killed between the last rename and the log
        later = file.current()
        earlier = PseudonymKeys(later.keys[:-1])
        return _told(place, earlier, later, [], operator, reason)
    require_quiet(place.ledger)
    if not file.changing:
        require_key(FolderTables(place.root / "lake"), file.current())
    earlier, later = file.current(), file.begin()
    copied = _exchange_lakes(place, earlier, later, progress)
    file.finish()
    return _told(place, earlier, later, copied, operator, reason)


def _told(
    place: Workspace, earlier: PseudonymKeys, later: PseudonymKeys, copied: list[Rekeyed], operator: str, reason: str
) -> Rotation:
    """Empty the profiles, write the change into the decision log; return what was done."""
    # Histories of old pseudonyms belong to nobody any more; 'profiles build' rebuilds them from the lake.
    place.profiles.expire(datetime.max.replace(tzinfo=UTC))
    place.lists.rekey(later)
    place.cases.rekey(later)
    tell(place.decisions, earlier, later, operator, reason)
    kept = place.root / f"lake.{earlier.key_id}"
    return Rotation(earlier.key_id, later.key_id, tuple(copied), str(kept) if kept.exists() else None)


def _untold(place: Workspace, keys: PseudonymKeys) -> bool:
    return len(keys.keys) > 1 and not place.decisions.entries(ROTATE_KEY, keys.key_id)


def _exchange_lakes(
    place: Workspace, earlier: PseudonymKeys, later: PseudonymKeys, progress: Progress
) -> list[Rekeyed]:
    """Let the copy under the next key be the lake; each step can be the first one that is left to do."""
    lake, fresh, kept = (place.root / name for name in ("lake", "lake.next", f"lake.{earlier.key_id}"))
    copied: list[Rekeyed] = []
    if lake.exists() and not kept.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        copied = rekey(FolderTables(lake), FolderTables(fresh), earlier, later, progress=progress)
        fresh.mkdir(exist_ok=True)
        lake.rename(kept)
    if fresh.exists():
        fresh.rename(lake)
    return copied


def copy_for_key(
    place: Workspace,
    into: str,
    secret: str,
    operator: str,
    reason: str,
    progress: Progress = Progress(),
) -> Rotation:
    """Copy a lake in S3 to `into` (s3://bucket/prefix) for the keys of a secret: the present ones and one more.

    The lake and the settings stay as they are. Raises UsageError as `rekey` does.
    """
    from counterfoil.adapters.aws.secrets import read_secret
    from counterfoil.adapters.folder.key import keys_of_text

    earlier, later = place.pseudonym_key, keys_of_text(read_secret(secret))
    require_quiet(place.ledger)
    target = place.tables_at(into, f"{place.settings.glue_database}_{later.key_id}")
    copied = rekey(place.tables, target, earlier, later, progress=progress)
    tell(place.decisions, earlier, later, operator, reason)
    return Rotation(earlier.key_id, later.key_id, tuple(copied), place.settings.lake)
