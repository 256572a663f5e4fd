"""The collector's container: raw files to transactions, with what was refused and why."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from counterfoil.adapters.files.folders import find_files
from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.files.unpacking import StreamLimits
from counterfoil.adapters.sagemaker.tables import ProcessingTables
from counterfoil.domain.features.spec import specs_with
from counterfoil.domain.intake.mapping_model import SourceMapping
from counterfoil.domain.intake.raw import printable
from counterfoil.domain.tables import TRANSACTIONS
from counterfoil.errors import InputFileError, MappingError
from counterfoil.ports.lake import FileLedger, LedgerEntry, SourceFile
from counterfoil.processing.commands import container
from counterfoil.processing.history import choose_history
from counterfoil.processing.job import Job, log
from counterfoil.steps.intake import collect as step
from counterfoil.steps.intake.collect import CollectedFile
from counterfoil.steps.options import CollectOptions

COLLECTED = "collected.json"
"""In the channel `summary`: the files that `publish` marks as done once their rows are visible."""


AS_OF = "_as_of.json"
"""In the channel `summary`, and in curate's `source_ips`: the version of the lake's payments that the step has read."""


def collect(options: CollectOptions) -> None:
    """Collect every file of the channel `raw` that was not collected before, and choose what later steps read."""
    job = Job.here()
    tables, mapping = job.tables, load_mapping(options.mapping)
    ledger = PendingLedger(job.workspace.ledger)
    reader = CarriedFiles(job.input("raw"), job.source_uri("raw"), job.workspace.settings.unpack_limits)
    results, failed = _collect_all(job, tables, mapping, ledger, reader)
    choose_history(job, tables, specs_with(mapping.entities), options)
    job.write_json("summary", COLLECTED, [asdict(entry) for entry in ledger.collected])
    job.write_json("summary", "summary.json", _summary(results, failed, options.input_version))
    job.finish("collect")


app = container("Collect raw payment files.", (CollectOptions, collect))


def _collect_all(
    job: Job, tables: ProcessingTables, mapping: SourceMapping, ledger: "PendingLedger", reader: "CarriedFiles"
) -> tuple[list[CollectedFile], dict[str, str]]:
    """Collect file by file: one that cannot be read does not keep its neighbours from being collected."""
    key = job.workspace.pseudonym_key
    job.write_json("summary", AS_OF, {TRANSACTIONS: tables.lake_version(TRANSACTIONS)})
    results: list[CollectedFile] = []
    failed: dict[str, str] = {}
    for path in reader.paths():
        try:
            results += step.collect([path], mapping, key=key, reader=reader, tables=tables, ledger=ledger)
        except (InputFileError, MappingError) as error:
            failed[printable(path.name)] = str(error)
            log().warning("file refused", file=printable(path.name), reason=str(error))
            continue
        log().info("file collected", file=printable(path.name), rows=results[-1].rows_out, skipped=results[-1].skipped)
    if failed and not results:  # nothing was ever collected here: most likely it is the wrong mapping
        raise InputFileError(f"none of the files could be collected: {next(iter(failed.values()))}")
    return results, failed


def _summary(results: list[CollectedFile], failed: dict[str, str], version: str) -> dict[str, object]:
    return {
        "input_version": version,
        "files": len(results) + len(failed),
        "files_skipped": sum(result.skipped for result in results),
        "files_failed": failed,
        "rows_in": sum(result.rows_in for result in results),
        "rows_out": sum(result.rows_out for result in results),
        "rows_rejected": sum(sum(result.rejected.values()) for result in results),
    }


class CarriedFiles(InputFiles):
    """The input files of a channel, each known by the place that SageMaker carried it from."""

    def __init__(self, folder: Path, uri: str, limits: StreamLimits = StreamLimits()) -> None:
        super().__init__(limits)
        self._folder = folder
        self._uri = uri

    def paths(self) -> list[Path]:
        """All payment files of the channel, in order; hidden, temporary and marker files are logged and left out."""
        found = find_files([self._folder])
        for path, reason in found.left_out:
            log().info("file left out", file=printable(path.name), reason=reason)
        return list(found.files)

    def fingerprint(self, path: Path) -> SourceFile:
        """Return where the file came from and the SHA-256 of its bytes. Raises InputFileError."""
        name = printable(path.relative_to(self._folder).as_posix())
        return replace(super().fingerprint(path), location=location_of(self._uri, name))


def location_of(uri: str, name: str) -> str:
    """Where a file of a channel comes from; a channel that is one object has that name already."""
    uri = uri.rstrip("/")
    return uri if uri.endswith(f"/{name}") else f"{uri}/{name}"


@dataclass
class PendingLedger:
    """A FileLedger for rows that are not visible yet: a collected file is unclaimed, and `publish` completes it."""

    ledger: FileLedger
    collected: list[LedgerEntry] = field(default_factory=list)
    _mappings: dict[SourceFile, str] = field(default_factory=dict)

    def claim(self, file: SourceFile, mapping: str, *, again: bool = False) -> bool:
        """Claim a file for this process; see FileLedger."""
        self._mappings[file] = mapping
        return self.ledger.claim(file, mapping, again=again)

    def complete(self, file: SourceFile, *, rows_in: int, rows_out: int, rows_rejected: int) -> None:
        """Remember the counts for `publish` and give the claim up."""
        self.collected.append(LedgerEntry(file, self._mappings[file], "unclaimed", rows_in, rows_out, rows_rejected))
        self.ledger.unclaim(file)

    def fail(self, file: SourceFile, reason: str) -> None:
        """Mark a claimed file as failed."""
        self.ledger.fail(file, reason)

    def unclaim(self, file: SourceFile) -> None:
        """Give a claim up without a result."""
        self.ledger.unclaim(file)

    def entry(self, file: SourceFile) -> LedgerEntry | None:
        """Return what is known of a file, or None."""
        return self.ledger.entry(file)

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, ordered by location."""
        return self.ledger.entries()
