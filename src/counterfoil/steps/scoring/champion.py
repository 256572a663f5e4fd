"""The release in use, kept ready: a new champion is taken up without a restart."""

import threading
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic_core import to_json

from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.requests import canonical, plain, without_labels
from counterfoil.domain.policy.policy import Policy
from counterfoil.domain.scoring.overlay import Overlay, OverlayReference
from counterfoil.ports.service import OverlayStore
from counterfoil.ports.stores import Stores
from counterfoil.steps.lake.forgotten import forgotten_accounts
from counterfoil.steps.releases.registration import load_release
from counterfoil.steps.releases.releases import resolve
from counterfoil.steps.scoring.compute import Compute
from counterfoil.steps.scoring.scorer import Detector

SHOWN = ("event_time", "amount", "currency", "merchant_id", "category")
"""What an analyst sees of a precedent, beside its label and how alike it is."""

Cited = tuple[tuple[str, str], bytes]
"""A precedent: its id and side (fraud or good), and as JSON how alike it is."""


@dataclass(frozen=True)
class InUse:
    """A release ready to score, with its mapping; a request takes one and keeps to it."""

    detector: Detector
    mapping: SourceMapping
    forgotten: frozenset[str]
    shown_of_base: dict[str, dict[str, Any]]
    policy: Policy | None = None
    _cited: dict[tuple[str, str], tuple[bytes, bytes]] = field(default_factory=dict, repr=False, compare=False)

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
    def precedents(self) -> Mapping[str, dict[str, Any]]:
        """What an analyst is shown of each reference, by its id."""
        overlay = {one.reference_id: _shown(one) for one in self.detector.overlay.references}
        return ChainMap(overlay, self.shown_of_base)

    def cited(self, precedents: Iterable[Cited]) -> bytes:
        """What an answer says of precedents, as a JSON array; null stands for what is not known of one."""
        known, texts = self._cited, []
        for named, near in precedents:
            head, tail = known.get(named) or self._cite(named)
            texts.append(head + near + tail)
        return b"[%s]" % b",".join(texts)

    def _cite(self, named: tuple[str, str]) -> tuple[bytes, bytes]:
        """What stands before a precedent's similarity, and behind it."""
        reference_id, side = named
        known = self.precedents[reference_id]
        shown = {**dict.fromkeys(SHOWN), **plain({name: known[name] for name in SHOWN})}
        head, tail = to_json({"reference_id": reference_id, "label": side}), to_json(shown)
        self._cited[named] = head[:-1] + b',"similarity":', b"," + tail[1:]
        return self._cited[named]

    def with_overlay(self, overlay: Overlay) -> "InUse":
        """The same release with another overlay."""
        return replace(self, detector=self.detector.with_overlay(overlay), _cited={})


def _shown(reference: OverlayReference) -> dict[str, Any]:
    return {name: getattr(reference, name) for name in ("reference_id", "label", *SHOWN)}


class Champion:
    """The release in use, by the registry's aliases (or the one named `fixed`). Threads may share it."""

    def __init__(
        self,
        stores: Stores,
        overlays: OverlayStore,
        mapping_of: Callable[[str], SourceMapping],
        compute: Compute = Compute(),
        fixed: str | None = None,
        policy: Callable[[], Policy | None] = lambda: None,
    ) -> None:
        self._stores = stores
        self._overlays = overlays
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
            release_id = resolve(self._stores.registry, self._fixed)
            if self._in_use is None or self._in_use.release_id != release_id:
                self._in_use = self._load(release_id)
            forgotten = forgotten_accounts(self._stores.tables)
            if self._in_use.forgotten != forgotten:
                # What they brought is not in the overlay any more.
                self._in_use = replace(self._in_use, forgotten=forgotten).with_overlay(self._overlay_of(release_id))
            policy = self._policy()
            if self._in_use.policy is not policy:
                self._in_use = replace(self._in_use, policy=policy)
        return self._in_use

    def follow(self) -> InUse:
        """Take up what feedback has changed in the overlay since. Raises StoreUnavailableError."""
        in_use = self.current()
        with self._loading:
            in_use = self._in_use or in_use
            overlay = in_use.detector.overlay
            for change in self._overlays.since(in_use.release_id, overlay.sequence):
                overlay = overlay.with_change(change)
            if overlay is not in_use.detector.overlay:
                self._in_use = in_use = in_use.with_overlay(overlay)
        return in_use

    def _overlay_of(self, release_id: str) -> Overlay:
        overlay = Overlay()
        for change in self._overlays.since(release_id, 0):
            overlay = overlay.with_change(change)
        return overlay

    def _load(self, release_id: str) -> InUse:
        release = load_release(self._stores.registry, release_id)
        detector = Detector.load(release, self._stores.references, self._stores.embedder, self._compute)
        detector.base.prepare()
        shown = detector.references.drop_columns(["vector", "known_at"]).to_pylist()
        by_id = {row["reference_id"]: row for row in shown}
        in_use = InUse(detector, self._mapping_of(release.mapping), forgotten_accounts(self._stores.tables), by_id)
        return in_use.with_overlay(self._overlay_of(release_id))
