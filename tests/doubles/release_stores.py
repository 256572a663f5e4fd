"""Stores in memory, and tables in a folder, whose process is killed before a write of the test's choice."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.domain.release.references import checksum, in_canonical_order
from counterfoil.ports.releases import LoggedDecision, RegisteredRelease


class Killed(BaseException):
    """What a process dies of."""


@dataclass
class Mortal:
    """Counts the writes of a process, which dies before write number `dies_at`, from 0."""

    writes: int = field(default=0, kw_only=True)
    dies_at: int | None = field(default=None, kw_only=True)

    def write(self) -> None:
        """What each write begins with."""
        if self.dies_at is not None and self.writes >= self.dies_at:
            raise Killed
        self.writes += 1


@dataclass
class MemoryDecisions(Mortal):
    """A DecisionLog in memory."""

    log: list[LoggedDecision] = field(default_factory=list, kw_only=True)

    def append(self, decision: LoggedDecision) -> LoggedDecision:
        self.write()
        self.log.append(replace(decision, sequence=len(self.log) + 1))
        return self.log[-1]

    def entries(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> list[LoggedDecision]:
        found = [e for e in self.log if kind in (None, e.kind) and subject in (None, e.subject)]
        return [e for e in found if (e.sequence or 0) > after or not after]


@dataclass
class MemoryReleases(MemoryDecisions):
    """A ReleaseRegistry with its DecisionLog, which die together; releases' files lie in the folder `root`.

    `bases` are the references that `MemoryReferences` keeps.
    """

    root: Path
    found: dict[str, RegisteredRelease] = field(default_factory=dict)
    bases: dict[str, pa.Table] = field(default_factory=dict)

    def register(self, release_id: str, folder: Path, *, parameters: Any, metrics: Any, tags: Any) -> RegisteredRelease:
        self.write()
        if release_id not in self.found:
            assert parameters
            shutil.copytree(folder, self.root / release_id)
            self.found[release_id] = RegisteredRelease(release_id, len(self.found) + 1, dict(metrics), dict(tags))
        return self.found[release_id]

    def fetch(self, release_id: str) -> Path:
        return self.root / release_id

    def releases(self) -> list[RegisteredRelease]:
        return sorted(self.found.values(), key=lambda release: -release.version)

    def set_alias(self, alias: str, release_id: str | None) -> None:
        self.write()
        for name, release in self.found.items():
            aliases = {*release.aliases} - {alias} | ({alias} if name == release_id else set())
            self.found[name] = replace(release, aliases=tuple(sorted(aliases)))

    def tag(self, release_id: str, key: str, value: str) -> None:
        self.write()
        release = self.found[release_id]
        self.found[release_id] = replace(release, tags={**release.tags, key: value})

    def holder(self, alias: str) -> str | None:
        """Which release has an alias."""
        return next((name for name, release in self.found.items() if alias in release.aliases), None)


class MemoryReferences:
    """A ReferenceStore over the bases of `MemoryReleases`, which dies as they do."""

    def __init__(self, stores: MemoryReleases) -> None:
        self.stores = stores

    def write_base(self, release_id: str, references: pa.Table) -> str:
        self.stores.write()
        self.stores.bases[release_id] = in_canonical_order(references)
        return checksum(references)

    def read_base(self, release_id: str) -> pa.Table:
        return self.stores.bases[release_id]

    def checksum(self, release_id: str) -> str:
        return checksum(self.stores.bases[release_id])

    def drop(self, release_id: str) -> None:
        self.stores.write()
        self.stores.bases.pop(release_id, None)

    def releases(self) -> list[str]:
        return sorted(self.stores.bases)

    def nearest(self, *_: Any) -> Any:
        raise NotImplementedError


class MortalTables(FolderTables):
    """Tables whose process dies before a publication: as `mortal` does, once the test has set it."""

    mortal: Mortal | None = None

    def publish(self, table: str, run: str, **options: Any) -> None:
        if self.mortal is not None:
            self.mortal.write()
        super().publish(table, run, **options)
