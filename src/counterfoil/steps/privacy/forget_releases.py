"""Releases whose references hold payments of or to a forgotten account: rebuilt without them, the old ones retired.

Of references of payments to it only its name goes: no vector is made of keyed hashes.

Vectors are compared with references one by one, so the rest of a release stays valid without some of them. What
was fitted on all training payments together (scaler, trees, calibration) keeps its values: only training again
takes an account's share out of these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.privacy.forgetting import Marks, mentions, unnamed
from counterfoil.domain.release.references import checksum
from counterfoil.domain.release.release import ARRAYS_FILE, DESCRIPTION_FILE, Release
from counterfoil.domain.schemas import FRAUD
from counterfoil.errors import ReleaseMismatchError
from counterfoil.ports.releases import DecisionLog, ReferenceStore, RegisteredRelease, ReleaseRegistry
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate
from counterfoil.steps.releases.releases import (
    CHALLENGER,
    CHAMPION,
    RETIRED_TAG,
    find,
    is_retired,
    promote,
    resolve,
    retire,
)

REBUILT_FROM = "rebuilt_from"
"""The tag of a release that was made of another one without some of its references."""


@dataclass(frozen=True)
class ReleaseStores:
    """Where releases live."""

    registry: ReleaseRegistry
    references: ReferenceStore
    log: DecisionLog


def replace_releases(
    stores: ReleaseStores, releases: Sequence[str], marks: Marks, operator: str, reason: str
) -> dict[str, str | None]:
    """Retire these releases and drop their references; return the successor of each, None if it has none.

    Without a champion the newest release is in use: then only that one gets a successor, as any other's would be
    the newest. Nor does a release get one that is retired already, of an older format, or left without one side.
    Killed and called again it ends the same.
    """
    there = {release.release_id: release for release in stores.registry.releases()}
    unregistered = [name for name in releases if name not in there]
    for name in unregistered:  # what a killed training left
        stores.references.drop(name)
    ordered = sorted(set(releases) - set(unregistered), key=lambda name: there[name].version)
    return {name: _replace(stores, there[name], marks, operator, reason) for name in ordered}


def _replace(stores: ReleaseStores, old: RegisteredRelease, marks: Marks, operator: str, reason: str) -> str | None:
    name = old.release_id
    successor = _successor_of(stores.registry, name)
    there = name in stores.references.releases()
    if successor is None and there and _wants_successor(stores.registry, old):
        successor = _rebuild(stores, old, marks)
    _hand_over(stores, old, successor, operator, reason)
    retire(stores.registry, stores.log, name, operator, reason, drop_from=stores.references)
    return successor


def _successor_of(registry: ReleaseRegistry, name: str) -> str | None:
    """The release that an earlier, killed call made of this one."""
    made = [release.release_id for release in registry.releases() if release.tags.get(REBUILT_FROM) == name]
    return made[0] if made else None


def _wants_successor(registry: ReleaseRegistry, old: RegisteredRelease) -> bool:
    if is_retired(old):
        return False
    champion = any(CHAMPION in release.aliases for release in registry.releases())
    return champion or resolve(registry) == old.release_id


def _rebuild(stores: ReleaseStores, old: RegisteredRelease, marks: Marks) -> str | None:
    """Register the release without these references; None if that is no release any more."""
    folder = stores.registry.fetch(old.release_id)
    try:
        release = load_release(stores.registry, old.release_id)
    except ReleaseMismatchError:
        return None
    candidate = _without(release, stores.references.read_base(old.release_id), marks)
    if candidate is None:
        return None
    tags = {name: value for name, value in old.tags.items() if name != RETIRED_TAG}
    registered = register_candidate(
        candidate,
        stores.references,
        stores.registry,
        evaluation=_further_files(folder),
        metrics=old.metrics,
        tags={**tags, REBUILT_FROM: old.release_id},
    )
    return registered.release_id


def _without(release: Release, base: pa.Table, marks: Marks) -> Candidate | None:
    own = pc.is_in(base.column("reference_id"), value_set=pa.array(sorted(marks.payments), pa.string()))
    rest = base.filter(pc.invert(own))
    kept = unnamed(rest, marks.account)
    frauds = int(pc.sum(pc.equal(kept.column("label"), FRAUD)).as_py() or 0)
    good = kept.num_rows - frauds
    if (not frauds and release.reference_frauds) or not good:
        return None
    gone = base.num_rows - kept.num_rows
    paid = mentions(rest, Marks(marks.account, frozenset()))
    left_out = f"{gone} references" + (f" and the payee of {paid}" if paid else "")
    note = f"release {release.release_id} without {left_out}, whose account was forgotten"
    changed = replace(
        release,
        reference_rows=kept.num_rows,
        reference_frauds=frauds,
        reference_checksum=checksum(kept),
        notes=(*release.notes, note),
    )
    return Candidate(changed, kept)


def _further_files(folder: Path) -> Mapping[str, bytes]:
    """What is kept with a release beside its own files: evaluation, plots, verdict, lineage."""
    own = (DESCRIPTION_FILE, ARRAYS_FILE)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in own}


def _hand_over(
    stores: ReleaseStores, old: RegisteredRelease, successor: str | None, operator: str, reason: str
) -> None:
    """Give the aliases of the old release to its successor; without one, to nobody."""
    registry, log = stores.registry, stores.log
    held = set(find(registry, old.release_id).aliases)
    if successor is not None:
        held |= set(find(registry, successor).aliases)  # as a killed call left it: the log may not know yet
    for alias in (CHAMPION, CHALLENGER):
        if alias not in held:
            continue
        if successor is None:
            registry.set_alias(alias, None)
        else:
            promote(registry, log, successor, alias, operator, reason, without_gate=alias == CHAMPION)
