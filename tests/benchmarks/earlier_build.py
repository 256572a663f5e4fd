"""An earlier commit of this repository, checked out for a while, to measure and compare against in the same run."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from counterfoil.adapters.folder.manifest import MANIFEST
from counterfoil.adapters.folder.tables import FolderTables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMMIT = "860ca29"
"""The last build whose features were SQL."""
EARLIER_MANIFEST = "manifest.json"
"""What that build calls the manifest of a table."""


@contextmanager
def checked_out(commit: str = COMMIT) -> Iterator[Path]:
    """The root of a working tree of the commit. Ends the program if this is no clone that has it."""
    with tempfile.TemporaryDirectory(prefix="cfe-", dir="/tmp") as name:
        tree = Path(name) / "tree"
        added = _git("worktree", "add", "--detach", str(tree), commit)
        if added.returncode:
            sys.exit(f"commit {commit} cannot be checked out ({added.stderr.strip()}): run this in a full clone")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def build_evidence(root: Path, lake: Path, mapping: str, specs: Sequence[tuple[str, str, int]] | None) -> Any:
    """Build the evidence of a lake in a process of its own by the build at `root`: rows, seconds and peak memory."""
    command = [sys.executable, str(HERE / "evidence_once.py"), str(lake), mapping, json.dumps(specs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    with _manifests_named_for(root, lake):
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _manifests_named_for(root: Path, lake: Path) -> Iterator[None]:
    """Name the tables' manifests as the build at `root` reads them: the earlier one has no hidden ones."""
    if root == ROOT:
        yield
        return
    for hidden in lake.glob(f"*/{MANIFEST}"):
        hidden.rename(hidden.with_name(EARLIER_MANIFEST))
    try:
        yield
    finally:
        for shown in lake.glob(f"*/{EARLIER_MANIFEST}"):
            shown.rename(shown.with_name(MANIFEST))


def evidence_in(lake: Path) -> pq.ParquetFile:
    """The evidence that was built last."""
    [path] = FolderTables(lake).files("evidence")
    return pq.ParquetFile(path)


def differing(expected: pq.ParquetFile, found: pq.ParquetFile) -> dict[str, float]:
    """Columns that are not equal to the bit, with the largest relative difference; infinite if nulls differ."""
    if not expected.schema_arrow.equals(found.schema_arrow) or expected.metadata.num_rows != found.metadata.num_rows:
        raise ValueError("the two tables have other columns or another number of rows")
    worst = {}
    for name in expected.schema_arrow.names:
        one, other = (table.read([name])[name].combine_chunks() for table in (expected, found))
        if not one.equals(other):
            worst[name] = _difference(one, other)
    return worst


def _difference(one: pa.Array, other: pa.Array) -> float:
    if not one.is_null().equals(other.is_null()) or not pa.types.is_floating(one.type):
        return float("inf")
    expected, found = one.drop_null().to_numpy(), other.drop_null().to_numpy()
    scale = np.maximum(np.abs(expected), np.finfo(np.float64).tiny)
    return float(pc.max(np.abs(expected - found) / scale).as_py())
