"""What steps ask of the lake: tables, claims on input files, readers, networks."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from counterfoil.domain.intake.curation import Origin
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import RawBatch
from counterfoil.domain.privacy.addresses import Address

Version = Mapping[str, str]
"""What a table has at a moment: each published run with the name of its files' folder, which never comes twice."""


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

    def publish(
        self,
        table: str,
        run: str,
        *,
        replace: bool = False,
        instead_of: Collection[str] = (),
        check: Callable[[Version], None] | None = None,
    ) -> None:
        """Make the staged files of `run` visible at once, in the place of the runs `instead_of`.

        With `replace`, instead of all other runs. `check` is given the version that is published until now, and
        nobody else publishes between its answer and this publication; where it raises, nothing is published and what
        was staged stays.
        """
        ...

    def version(self, table: str) -> Version:
        """Return what the table has now."""
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
    """What became of one input file. `state` is claimed, unclaimed, done or failed."""

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
        """Mark a claimed file as done, with its counts, and end the claim."""
        ...

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed and end the claim."""
        ...

    def unclaim(self, file: SourceFile) -> None:
        """Give a claim up without a result; the file may be claimed again, and its state is `unclaimed`."""
        ...

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        ...

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location."""
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
