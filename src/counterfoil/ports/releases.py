"""What steps ask of the stores of releases: registry, references, decisions, encoders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class Precedent:
    """A kept payment that a score cites: its label (1 fraud, 0 good) and cosine to the scored payment."""

    reference_id: str
    label: int
    similarity: float


class ReferenceStore(Protocol):
    """Base reference sets, written once, by release and side (fraud, good).

    A reference table has the columns of `domain.references.REFERENCE_FIELDS` and `vector`, a fixed-size
    list of float32 of unit length.
    """

    def write_base(self, release_id: str, references: pa.Table) -> str:
        """Write a base in one transaction, index it, and return its checksum.

        Writing the same content again does nothing. Raises ReferenceConflictError if the release has another base.
        """
        ...

    def read_base(self, release_id: str) -> pa.Table:
        """Return the base ordered by label (frauds first) and reference id. Raises NotFoundError."""
        ...

    def checksum(self, release_id: str) -> str:
        """Return the checksum that was recorded when the base was written. Raises NotFoundError."""
        ...

    def nearest(self, release_id: str, label: int, vector: npt.NDArray[np.float32], k: int) -> list[Precedent]:
        """Return the k nearest references of one side by the index, most similar first."""
        ...

    def drop(self, release_id: str) -> None:
        """Remove a base; nothing happens if there is none."""
        ...

    def releases(self) -> list[str]:
        """Return the ids of the releases that have a base, sorted."""
        ...


@dataclass(frozen=True)
class RegisteredRelease:
    """A release as the registry lists it."""

    release_id: str
    version: int
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()


class ReleaseRegistry(Protocol):
    """Releases: a folder of files (JSON and arrays, never pickles) with metrics, never changed once registered."""

    def require_writable(self) -> None:
        """Raise StoreUnavailableError if a release could not be registered: asked before a training begins."""
        ...

    def register(
        self,
        release_id: str,
        folder: Path,
        *,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> RegisteredRelease:
        """Register a release; registering the same id again returns the one that is there."""
        ...

    def fetch(self, release_id: str) -> Path:
        """Return a folder with the release's files. Raises NotFoundError (which lists the ids there are)."""
        ...

    def releases(self) -> list[RegisteredRelease]:
        """Return all releases, newest first."""
        ...

    def set_alias(self, alias: str, release_id: str | None) -> None:
        """Let `alias` (champion, challenger) name this release from now on, or none. Raises NotFoundError."""
        ...

    def tag(self, release_id: str, key: str, value: str) -> None:
        """Set a tag beside a release; its files never change. Raises NotFoundError."""
        ...


@dataclass(frozen=True)
class LoggedDecision:
    """An entry of the decision log. `kind` says what was done (promote, rollback, retire, ...), `subject` to what.

    `sequence` and `at` are given by the log. No personal data but the operator's name in `actor`.
    """

    kind: str
    subject: str
    actor: str
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    sequence: int | None = None
    at: datetime | None = None


class DecisionLog(Protocol):
    """What was decided, by whom and why: append-only."""

    def append(self, decision: LoggedDecision) -> LoggedDecision:
        """Append an entry and return it with its sequence number and time (UTC)."""
        ...

    def entries(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> list[LoggedDecision]:
        """Return the entries after a sequence number in their order, of one kind or subject or of all."""
        ...


class TextEmbedder(Protocol):
    """A sentence encoder with fixed weights."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def weights_hash(self) -> str:
        """SHA-256 (hex) of the weights' file."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one row per text, unit length, in the order given."""
        ...
