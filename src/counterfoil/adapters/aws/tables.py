"""Parquet tables in S3, published by manifest and shown in the Glue catalogue.

The keys are those of a folder's tables: `<prefix>/<table>/.manifest.json` and, beside it, the files of a run
below `<prefix>/<table>/runs/<run>.<number>-<random>/`. A run is staged in a local folder. To publish is to
carry its files to S3, to put a manifest that names them in the old one's place (only if that is still the one
that was read), to let Glue's partitions follow, and to remove the objects that no manifest names. Each of
these can be done again, so a killed publisher is run again.
"""

import random
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache as once
from pathlib import Path

from counterfoil.adapters.aws.glue import GlueCatalogue, Types, glue_types
from counterfoil.adapters.aws.objects import S3Objects
from counterfoil.adapters.aws.table_copies import TableCopies
from counterfoil.adapters.folder.locks import locked
from counterfoil.adapters.folder.manifest import (
    MANIFEST,
    OLD_MANIFEST,
    RUNS,
    PublishedRun,
    find_manifest,
    find_run,
    manifest_text,
    new_folder_name,
    nothing_staged,
    number_of,
    parse_manifest,
    require_name,
    run_of,
    staged_run,
    version_of,
    with_only,
)
from counterfoil.errors import ChangedError, StoreUnavailableError, UsageError
from counterfoil.ports.lake import Version

_TABLE = re.compile(r"[a-z0-9_]+")
_TRIES = 30
_LONGEST_PAUSE = 2.0  # seconds
_ABANDONED = timedelta(days=7)  # no publisher takes this long between two objects


class S3Tables:
    """A TableStore at `uri`, s3://bucket/prefix, for any number of processes and machines.

    `cache` is a local folder for staged runs and downloaded files, which processes may share. Tables appear
    in Glue as `glue_database`.`table`.
    """

    def __init__(self, uri: str, *, glue_database: str, cache: Path) -> None:
        self._lake = S3Objects(uri)
        self._catalogue = GlueCatalogue(glue_database)
        place = Path(self._lake.bucket, self._lake.prefix)
        self._staged = cache / "staged" / place
        self._copies = TableCopies(self._lake, cache / "copies" / place)

    def stage(self, table: str, run: str) -> Path:
        """Return an empty private folder for the files of `run`.

        Raises UsageError for an unusable name, StoreUnavailableError if the table cannot be read.
        """
        _require_names(table, run)
        published = find_run(self._manifest(table)[0], run)
        above = number_of(published.folder) if published else 0
        for left in _folders(self._staged / table, run):
            above = max(above, number_of(left.name))
            with locked(left):
                shutil.rmtree(left, ignore_errors=True)  # a publisher who had it may have removed it
        folder = self._staged / table / RUNS / new_folder_name(run, above)
        folder.mkdir(parents=True)
        return folder

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

        With `replace`, instead of all other runs. `check` is asked of each manifest that this one is about to replace,
        and may raise; what was carried to S3 by then is removed.

        With nothing staged and the run published already, that run stays, and Glue is brought up to date.
        Raises NotFoundError if there is neither, UsageError if Glue cannot show the files.
        """
        _require_names(table, run)
        with self._held(table, run) as folder:
            before = self._manifest(table)[0]
            mine = find_run(before, run) if folder is None else staged_run(self._staged / table, folder, run)
            if mine is None:
                raise nothing_staged(table, run)
            types = self._types(table, mine, staged=folder is not None)
            if mine not in before:
                if check is not None:
                    check(version_of(before))
                self._require_fit(table, [] if replace else before, mine, types)
                self._lake.upload({f"{table}/{name}": self._staged / table / name for name in mine.files})
            try:
                before = self._commit(table, mine, instead_of, replace=replace, check=check)
            except ChangedError:
                self._lake.remove(f"{table}/{mine.folder}/")
                raise
            self._follow(table, None if replace or instead_of else run, types)
            self._tidy(table, {entry.folder for entry in before})
            if folder is not None:
                shutil.rmtree(folder)

    def tidy(self, table: str) -> None:
        """Remove objects that were replaced, those that nobody has published for a week, and local copies of all these.

        The copies on other machines go by themselves, a day later.
        """
        _require_names(table)
        self._tidy(table, frozenset())
        self._copies.forget(table, self._manifest(table)[0])

    def files(self, table: str, run: str | None = None) -> list[Path]:
        """Return local copies of the Parquet files that are visible now, of one run or of all, sorted by path.

        Raises StoreUnavailableError, also if a file that the manifest names is missing or has another size.
        """
        _require_names(table)
        manifest = self._manifest(table)
        while (fault := self._copies.fetch(table, _only(manifest[0], run), manifest[0])) is not None:
            # A publisher may have replaced the run between our reading the manifest and getting its files.
            again = self._manifest(table)
            if again == manifest:
                raise StoreUnavailableError(fault)
            manifest = again
        return sorted(self._copies.path(table, name) for entry in _only(manifest[0], run) for name in entry.files)

    def runs(self, table: str) -> list[str]:
        """Return the published runs in the order of their first publication."""
        _require_names(table)
        return [entry.run for entry in self._manifest(table)[0]]

    def version(self, table: str) -> Version:
        """Return the folder of each published run."""
        _require_names(table)
        return version_of(self._manifest(table)[0])

    def prepare(self, table: str) -> None:
        """Write a manifest that names nothing where the table has none yet."""
        _require_names(table)
        if self._found_manifest(table) is None:
            self._lake.write(f"{table}/{MANIFEST}", manifest_text([]), over=None)

    def tables(self) -> list[str]:
        """Return the names of the tables that have a manifest, sorted."""
        names = [folder.rstrip("/") for folder in self._lake.folders("")]
        return sorted(name for name in names if self._found_manifest(name) is not None)

    def _manifest(self, table: str) -> tuple[list[PublishedRun], str | None]:
        """Return the published runs and the ETag of the manifest to write over; None if there is no new one."""
        found = self._found_manifest(table)
        if found is None:
            return [], None
        name, (text, etag) = found
        return parse_manifest(text, self._lake.place(f"{table}/{name}")), etag if name == MANIFEST else None

    def _found_manifest(self, table: str) -> tuple[str, tuple[bytes, str]] | None:
        return find_manifest(lambda name: self._lake.read(f"{table}/{name}"))

    @contextmanager
    def _held(self, table: str, run: str) -> Iterator[Path | None]:
        """Yield the staged folder of `run`, locked, or None if there is none."""
        folders = _folders(self._staged / table, run)
        newest = max(folders, key=lambda folder: number_of(folder.name), default=None)
        if newest is None:
            yield None
            return
        with locked(newest) as there:
            yield newest if there else None

    def _types(self, table: str, mine: PublishedRun, *, staged: bool) -> Callable[[], Types]:
        """Return how to get Glue's columns of a run; a staged run's are looked at now, before it is sent."""
        if not staged:
            return once(lambda: glue_types(table, self.files(table, mine.run)))
        types = glue_types(table, [self._staged / table / name for name in mine.files])
        return lambda: types

    def _require_fit(
        self, table: str, before: list[PublishedRun], mine: PublishedRun, types: Callable[[], Types]
    ) -> None:
        if any(entry.run != mine.run for entry in before):
            self._catalogue.require_fit(table, types())

    def _commit(
        self,
        table: str,
        mine: PublishedRun,
        instead_of: Collection[str],
        *,
        replace: bool,
        check: Callable[[Version], None] | None,
    ) -> list[PublishedRun]:
        """Put `mine` into the manifest, whoever else writes it, and return the runs that it named before."""
        for attempt in range(_TRIES):
            before, etag = self._manifest(table)
            _require_newest(table, mine, before)
            if check is not None and mine not in before:
                check(version_of(before))
            after = with_only(before, mine, instead_of, replace=replace)
            if after == before or self._lake.write(f"{table}/{MANIFEST}", manifest_text(after), over=etag):
                if etag is None and self._lake.read(f"{table}/{OLD_MANIFEST}") is not None:
                    self._lake.remove(f"{table}/{OLD_MANIFEST}")
                return before
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.02 * 2**attempt)))
        raise self._too_busy(table, mine.run)

    def _follow(self, table: str, run: str | None, types: Callable[[], Types]) -> None:
        """Let Glue follow the manifest, for one run or all, until the manifest has stayed as it was meanwhile."""
        runs = self._manifest(table)[0]
        for _ in range(_TRIES):
            self._catalogue.follow(table, self._lake.place(table), runs, run, types)
            again = self._manifest(table)[0]
            if _only(again, run) == _only(runs, run):
                return
            runs = again
        raise self._too_busy(table, run or "")

    def _tidy(self, table: str, replaced: Collection[str]) -> None:
        """Remove what the manifest does not name, but for what another publisher may be about to publish."""
        runs = self._manifest(table)[0]
        listed = {entry.folder for entry in runs}
        newest = {entry.run: number_of(entry.folder) for entry in runs}
        for key in self._lake.folders(f"{table}/{RUNS}/"):
            folder = key.removeprefix(f"{table}/").rstrip("/")
            if folder in listed:
                continue
            outdated = number_of(folder) < newest.get(run_of(folder), 0)  # which nobody can publish any more
            if folder in replaced or outdated or self._is_abandoned(key):
                self._lake.remove(key)

    def _is_abandoned(self, key: str) -> bool:
        return max(self._lake.modified(key), default=datetime.now(UTC)) < datetime.now(UTC) - _ABANDONED

    def _too_busy(self, table: str, run: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"{self._lake.place(table)} was written by others at each of {_TRIES} tries: publish run {run!r} again"
        )


def _require_names(table: str, run: str | None = None) -> None:
    require_name("table", table)
    if not _TABLE.fullmatch(table):
        raise UsageError(f"table name {table!r} cannot be Glue's: use small letters, digits and _")
    if run is not None:
        require_name("run", run)


def _require_newest(table: str, mine: PublishedRun, published: list[PublishedRun]) -> None:
    """Refuse to publish what was staged before the run that stands now: its publisher may have removed the files."""
    there = find_run(published, mine.run)
    if there is not None and number_of(there.folder) > number_of(mine.folder):
        raise ChangedError(
            f"run {mine.run!r} of table {table!r} was published by another process after it was staged here: "
            "what stands is newer; run the step again to replace it"
        )


def _only(runs: list[PublishedRun], run: str | None) -> list[PublishedRun]:
    return [entry for entry in runs if run in (None, entry.run)]


def _folders(home: Path, run: str) -> list[Path]:
    """Return the local folders of `run`."""
    there = (home / RUNS).iterdir() if (home / RUNS).is_dir() else []
    return [folder for folder in there if run_of(folder.name) == run]
