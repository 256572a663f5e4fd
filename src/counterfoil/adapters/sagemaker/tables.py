"""The tables of one processing job: what SageMaker carried in, and what the job writes.

An input channel named after a table holds `<run>/**/*.parquet` as an earlier step wrote it; a channel under
`lake/` holds a published table with its manifest, or a part of it (`carried.py`). The job writes to output channels
of the first form. Nothing of this is visible to readers of the lake before the step `publish`.
"""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from counterfoil.adapters.sagemaker.carried import CarriedLake
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.lake import Version


class ProcessingTables:
    """A TableStore over the folders of one processing job. A new run takes the place of the lake's of that name."""

    def __init__(self, inputs: Path, outputs: Path) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._lake = CarriedLake(inputs)
        self._published: dict[str, list[str]] = {}

    def stage(self, table: str, run: str) -> Path:
        """Return an empty folder outside of the output channels: what is only staged is not carried away."""
        folder = self._staged(table, run)
        shutil.rmtree(folder, ignore_errors=True)
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
        """Put `run` into the table's output channel; within this job it is part of the table from now on.

        `check` is asked, though nobody else writes to the job's folders.

        Raises UsageError for `instead_of`: a job can add to the lake and replace a run of the same name.
        """
        if instead_of:
            raise UsageError(f"a processing job cannot take {', '.join(instead_of)} out of {table!r}: use the command")
        if not self._staged(table, run).is_dir():
            raise NotFoundError(f"table {table!r} has nothing staged for run {run!r}: call stage() first")
        if check is not None:
            check(self.version(table))
        target = self._outputs / table / run
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # SageMaker may mount each channel by itself: a rename would not do.
        shutil.move(self._staged(table, run), target)
        runs = [] if replace else [name for name in self._published.get(table, []) if name != run]
        self._published[table] = [*runs, run]

    def prepare(self, table: str) -> None:
        """Make the table's output channel."""
        (self._outputs / table).mkdir(parents=True, exist_ok=True)

    def tidy(self, table: str) -> None:
        """Do nothing: a job's folders go with it."""

    def files(self, table: str, run: str | None = None) -> list[Path]:
        """Return the files of the lake, of the input channel and of this job, sorted by path.

        Single rows that were carried from other files of the lake are of no run.
        """
        newer = {**self._carried(table), **self._written(table)}
        wanted = [name for name in self._lake.runs(table) if name not in newer and run in (None, name)]
        kept = [*self._lake.files(table, wanted), *(self._lake.single_rows(table) if run is None else [])]
        new = [path for name, folder in newer.items() if run in (None, name) for path in folder.rglob("*.parquet")]
        return sorted([*kept, *new])

    def lake_files(self, table: str) -> list[Path]:
        """Return the files of the lake whose runs no run of this execution replaces, sorted by path."""
        newer = {**self._carried(table), **self._written(table)}
        return self._lake.files(table, [name for name in self._lake.runs(table) if name not in newer])

    def written_runs(self, table: str) -> list[str]:
        """Return the runs that this job has published, in their order."""
        return list(self._published.get(table, []))

    def write_choice(self, table: str, chosen: Collection[Path], target: Path, place: str) -> None:
        """Let later jobs of the execution have only `chosen` of `lake_files`; see CarriedLake.write_choice."""
        self._lake.write_choice(table, chosen, target, place)

    def runs(self, table: str) -> list[str]:
        """Return the lake's runs in their order, then the new ones."""
        return list(dict.fromkeys([*self._lake.runs(table), *self._carried(table), *self._written(table)]))

    def version(self, table: str) -> Version:
        """Return the lake's runs with their folders, then the new ones with theirs."""
        newer = {**self._carried(table), **self._written(table)}
        return {**self._lake.version(table), **{name: str(folder) for name, folder in newer.items()}}

    def lake_version(self, table: str) -> Version:
        """Return the lake's runs with their folders, as they were carried into this job."""
        return self._lake.version(table)

    def tables(self) -> list[str]:
        """Return the tables of the lake's channels and those that this job wrote, sorted."""
        return sorted({*self._lake.tables(), *self._published})

    def carried_runs(self, table: str) -> list[str]:
        """Return the runs that an earlier step of the same execution wrote, sorted."""
        return list(self._carried(table))

    def _carried(self, table: str) -> dict[str, Path]:
        home = self._inputs / table
        folders = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
        return {folder.name: folder for folder in folders}

    def _staged(self, table: str, run: str) -> Path:
        return self._outputs.parent / "staged" / table / run

    def _written(self, table: str) -> dict[str, Path]:
        return {name: self._outputs / table / name for name in self._published.get(table, [])}
