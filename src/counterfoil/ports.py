"""What the steps ask of the world: one Protocol per kind of store, implemented under `adapters/`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from counterfoil.domain.addresses import Address
from counterfoil.domain.curation import Origin
from counterfoil.domain.mapping_model import SourceMapping
from counterfoil.domain.raw import RawBatch


class TableStore(Protocol):
    """Parquet tables, published by manifest: readers see only what a manifest names.

    A table is the union of its published runs. Publishing a run again replaces that run, so a step that was
    killed is simply run again.
    """

    def prepare(self, table: str) -> None:
        """Let the table exist, without runs if it is new: SageMaker refuses an input prefix without objects."""
        ...

    def stage(self, table: str, run: str) -> Path:
        """Return an empty private folder for the files of `run`; what was left there by a killed run is gone."""
        ...

    def publish(self, table: str, run: str, *, replace: bool = False, instead_of: Collection[str] = ()) -> None:
        """Make the staged files of `run` visible at once, in the place of the runs `instead_of`.

        With `replace`, instead of all other runs.
        """
        ...

    def tidy(self, table: str) -> None:
        """Remove what was replaced by a publisher that did not live to remove it; others' work under way stays."""
        ...

    def files(self, table: str, run: str | None = None) -> list[Path]:
        """Return the Parquet files that are visible now, of one run or of all, sorted by path.

        Empty if nothing is published.
        """
        ...

    def runs(self, table: str) -> list[str]:
        """Return the published runs in the order of their first publication."""
        ...

    def tables(self) -> list[str]:
        """Return the names of the tables that were published or prepared, sorted."""
        ...


@dataclass(frozen=True)
class SourceFile:
    """An input file: where it was found and the SHA-256 of its bytes (hex)."""

    location: str
    content_hash: str


@dataclass(frozen=True)
class LedgerEntry:
    """What became of one input file. `state` is claimed, released, done or failed."""

    file: SourceFile
    mapping: str
    state: str
    rows_in: int
    rows_out: int
    rows_rejected: int
    reason: str | None = None


class FileLedger(Protocol):
    """Claims on input files; a file is known by location and content hash."""

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file for this process. False: it is done, or a living process has it.

        The claim of a process that died is free again at once; a failed file may be claimed again, and with
        `again` one that is done too.
        """
        ...

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:
        """Mark a claimed file as done, with its counts, and let go of the claim."""
        ...

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed and let go of the claim."""
        ...

    def release(self, file: SourceFile) -> None:
        """Let go of a claim without a result; the file may be claimed again. Its state is then released."""
        ...

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        ...

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location."""
        ...


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
class Decision:
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

    def append(self, decision: Decision) -> Decision:
        """Append an entry and return it with its sequence number and time (UTC)."""
        ...

    def entries(self, kind: str | None = None, subject: str | None = None) -> list[Decision]:
        """Return the entries in the order in which they were appended, of one kind or subject or of all."""
        ...


@dataclass(frozen=True)
class PipelineExecution:
    """An execution of a pipeline as its runner tells it; `status` is Executing, Succeeded, Failed or Stopped."""

    name: str
    execution_id: str
    status: str
    started: datetime | None = None
    failure: str | None = None


class PipelineRunner(Protocol):
    """Where pipelines are executed."""

    def start(self, name: str, parameters: Mapping[str, str]) -> PipelineExecution:
        """Start an execution. Raises NotFoundError for an unknown pipeline, UsageError for a bad parameter."""
        ...

    def status(self, name: str) -> list[PipelineExecution]:
        """Return the pipeline's executions, newest first. Raises NotFoundError."""
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


class NetworkDirectory(Protocol):
    """Who announces an address, and where."""

    def origin(self, address: Address) -> Origin:
        """Return what is known of a public address; what is not known is None."""
        ...


class InputReader(Protocol):
    """Input files, read as the format of a mapping says."""

    def columns(self, path: Path, mapping: SourceMapping) -> list[str]:
        """Return the names of the file's columns. Raises InputFileError."""
        ...

    def batches(self, path: Path, mapping: SourceMapping) -> Iterator[RawBatch]:
        """Yield the file's records in order, in bounded memory. Raises MappingError and InputFileError."""
        ...

    def fingerprint(self, path: Path) -> SourceFile:
        """Return where the file is and the SHA-256 of its bytes. Raises InputFileError."""
        ...
