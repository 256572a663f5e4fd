"""The year of card payments as a workspace: collected, with features, and with a release trained on its first part."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counterfoil.adapters.files.mapping_files import load_mapping
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.domain.periods import Period
from counterfoil.domain.release.release import Release
from counterfoil.steps.features import build_features
from counterfoil.steps.intake.collect import collect
from counterfoil.steps.releases.registration import load_release
from counterfoil.workspace.wiring import Workspace, open_workspace

MAPPING = "amazon-fraud-detector-transactions"
DELAY = timedelta(days=7)
TRAINING = Period(datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 9, 23, tzinfo=UTC))
TEST = Period(datetime(2019, 10, 1, tzinfo=UTC))


def collect_year(workspace: Workspace, path: Path) -> int:
    """Collect the file into the workspace's lake; return the number of payments kept."""
    collected = collect(
        [path],
        load_mapping(MAPPING),
        key=workspace.pseudonym_key,
        reader=workspace.reader,
        tables=workspace.tables,
        ledger=MemoryLedger(),
    )
    return sum(file.rows_out for file in collected)


def build_year(workspace: Workspace) -> int:
    """Build all features of the payments; return the number of rows."""
    return build_features(workspace.tables, load_mapping(MAPPING), label_delay=DELAY)


def train_year(workspace: Workspace) -> Release:
    """Train on the training window, with what was known when the test begins."""
    from counterfoil.steps.train import TrainingRequest, train  # half a second and 0.25 GB, not for those who collect

    request = TrainingRequest(TRAINING, known_until=TEST.since, label_delay_days=DELAY / timedelta(days=1))
    return train(workspace.stores, load_mapping(MAPPING), request)


def trained_workspace(folder: Path, path: Path) -> Workspace:
    """Return the workspace in `folder`; what is there already is not made again.

    Ends the program if the folder holds something else: its figures would be another data set's.
    """
    workspace = open_workspace(folder)
    if workspace.tables.files("evidence") and not workspace.tables.runs("transactions")[0].startswith(f"{MAPPING}-"):
        sys.exit(f"{folder} is a workspace of other payments: give --workspace a folder of its own")
    if not workspace.tables.files("evidence"):
        print(f"collecting and building features in {folder}")
        collect_year(workspace, path)
        build_year(workspace)
    if not workspace.registry.releases():
        print("training")
        train_year(workspace)
    release = newest_release(workspace)
    if (release.mapping, release.trained_until) != (MAPPING, TRAINING.until and TRAINING.until.isoformat()):
        sys.exit(f"the newest release in {folder} was trained on something else: give --workspace another folder")
    return workspace


def newest_release(workspace: Workspace) -> Release:
    """The release that was trained last."""
    return load_release(workspace.registry, workspace.registry.releases()[0].release_id)
