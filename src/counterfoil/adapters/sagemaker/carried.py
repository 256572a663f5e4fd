"""Published tables as a processing job finds them: carried in whole, or of a table what an earlier step has chosen.

A table that is carried whole lies with its manifest in the channel `lake/<table>`. Of one that is carried in part the
same channel has the files that a list of keys names, which SageMaker takes as a ManifestFile; the channel `history`
has the rest of what the earlier step wrote in `<table>/`: that list, the table's manifest as it was when the choice was
made, with the chosen files only, and single rows of other files. So the job sees the version that was chosen from,
whatever is published meanwhile.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from counterfoil.adapters.folder.manifest import MANIFEST, OLD_MANIFEST, PublishedRun, manifest_text, parse_manifest
from counterfoil.adapters.folder.tables import FolderTables, fault_among
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.lake import Version

HISTORY = "history"
"""The channel."""
KEYS = "keys.json"
RUNS = "runs.json"


class CarriedLake:
    """The tables of the lake that are in the input channels below the folder `inputs`."""

    def __init__(self, inputs: Path) -> None:
        self._lake, self._chosen = inputs / "lake", inputs / HISTORY
        self._whole = FolderTables(self._lake)

    def files(self, table: str, runs: Collection[str]) -> list[Path]:
        """Return the carried files of some runs, sorted by path.

        Raises StoreUnavailableError if a file that was to be carried is missing or has another size.
        """
        home = self._lake / table
        wanted = [entry for entry in self._published(table) if entry.run in runs]
        if (fault := fault_among(home, wanted)) is not None:
            raise StoreUnavailableError(fault)
        return sorted(home / name for entry in wanted for name in entry.files)

    def single_rows(self, table: str) -> list[Path]:
        """Return the files of single rows that came beside the carried files."""
        return sorted((self._chosen / table).glob("*.parquet"))

    def runs(self, table: str) -> list[str]:
        """Return the published runs, carried or not, in the order of their first publication."""
        return list(self.version(table))

    def version(self, table: str) -> Version:
        """Return the folder of each published run, carried or not."""
        return {entry.run: entry.folder for entry in self._published(table)}

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return sorted({*self._whole.tables(), *(path.parent.name for path in self._chosen.glob(f"*/{RUNS}"))})

    def write_choice(self, table: str, chosen: Collection[Path], target: Path, place: str) -> None:
        """Write to the folder `target` what lets a later job have only the `chosen` of the files that are here.

        `place` is the S3 URI that the table was carried from. A list of keys without a key is refused by SageMaker, so
        the table's own manifest is always among them.
        """
        home = self._lake / table
        names = {path.relative_to(home).as_posix() for path in chosen}
        runs = [replace(one, files=_only(one.files, names)) for one in self._published(table)]
        manifest = OLD_MANIFEST if not (home / MANIFEST).exists() and (home / OLD_MANIFEST).exists() else MANIFEST
        keys = [{"prefix": f"{place.rstrip('/')}/"}, manifest, *sorted(names)]
        target.mkdir(parents=True, exist_ok=True)
        (target / RUNS).write_bytes(manifest_text(runs))
        (target / KEYS).write_text(json.dumps(keys, indent=0), encoding="utf-8")

    def _published(self, table: str) -> list[PublishedRun]:
        chosen = self._chosen / table / RUNS
        if chosen.is_file():
            return parse_manifest(chosen.read_bytes(), str(chosen))
        return self._whole.published(table)


def _only(files: dict[str, int], names: Collection[str]) -> dict[str, int]:
    return {name: size for name, size in files.items() if name in names}
