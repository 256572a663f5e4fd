"""The release in use, kept ready: a new champion is taken up without a restart."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.requests import canonical, without_labels
from counterfoil.domain.policy.policy import Policy
from counterfoil.ports.lake import TableStore
from counterfoil.ports.releases import ReferenceStore, ReleaseRegistry, TextEmbedder
from counterfoil.steps.lake.forgotten import forgotten_accounts
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import resolve
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.profiles import require_histories
from counterfoil.steps.scoring.scorer import Detector


@dataclass(frozen=True)
class InUse:
    """A release ready to score, with its mapping; a request takes one and keeps to it."""

    detector: Detector
    mapping: SourceMapping
    forgotten: frozenset[str] = frozenset()
    policy: Policy | None = None

    @property
    def release_id(self) -> str:
        """The release's id."""
        return self.detector.release_id

    @cached_property
    def canonical(self) -> SourceMapping:
        """Reads payments of the canonical layout."""
        return canonical(self.mapping)

    @cached_property
    def source(self) -> SourceMapping:
        """Reads payments of the layout of the mapping's files."""
        return without_labels(self.mapping)

    @cached_property
    def precedents(self) -> dict[str, dict[str, Any]]:
        """What an analyst is shown of each reference, by its id."""
        shown = self.detector.references.drop_columns(["vector", "known_at"])
        return {row["reference_id"]: row for row in shown.to_pylist()}


class Champion:
    """The release in use, by the registry's aliases (or the one named `fixed`). Threads may share it."""

    def __init__(
        self,
        registry: ReleaseRegistry,
        references: ReferenceStore,
        embedder: TextEmbedder,
        tables: TableStore,
        mapping_of: Callable[[str], SourceMapping],
        compute: Compute = Compute(),
        fixed: str | None = None,
        policy: Callable[[], Policy | None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._references = references
        self._embedder = embedder
        self._tables = tables
        self._mapping_of = mapping_of
        self._compute = compute
        self._fixed = fixed
        self._policy = policy
        self._loading = threading.Lock()
        self._in_use: InUse | None = None

    def current(self) -> InUse:
        """The release in use; loads it at the first call. Raises NotFoundError if there is none."""
        return self._in_use or self.refresh()

    def refresh(self) -> InUse:
        """Look whether another release is champion by now, and load it; which accounts are forgotten,
        and which policy is in force.

        The old one serves until that is done.
        """
        with self._loading:
            release_id = resolve(self._registry, self._fixed)
            if self._in_use is None or self._in_use.release_id != release_id:
                self._in_use = self._load(release_id)
            forgotten = forgotten_accounts(self._tables)
            if self._in_use.forgotten != forgotten:
                self._in_use = replace(self._in_use, forgotten=forgotten)
            policy = self._policy()
            if self._in_use.policy is not policy:
                self._in_use = replace(self._in_use, policy=policy)
        return self._in_use

    def _load(self, release_id: str) -> InUse:
        release = load_release(self._registry, release_id)
        require_histories(release.specs)
        detector = Detector.load(release, self._references, self._embedder, self._compute)
        in_use = InUse(detector, self._mapping_of(release.mapping), forgotten_accounts(self._tables))
        in_use.precedents  # noqa: B018 before the first request needs them
        return in_use
