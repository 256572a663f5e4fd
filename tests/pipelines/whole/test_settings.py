"""What is set for the caller is set for each step: where the registry is, and how the pseudonym key is reached."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from counterfoil.domain.privacy.pseudonyms import PseudonymKeys
from counterfoil.steps.lake.keys import KEY_ID
from counterfoil.steps.releases.releases import CHALLENGER, find
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace
from pipelines import here
from pipelines.local.record import SUCCEEDED, LocalExecution
from pipelines.local.run import run_pipeline

pytestmark = pytest.mark.xdist_group("whole_pipelines")  # they share their workspaces

SECRET = "of all the keys this one"


def _with_faults(folder: Path, *arguments: Any, environment: Mapping[str, str], **options: Any) -> LocalExecution:
    return run_pipeline(*arguments, environment={**environment, "PYTHONPATH": str(folder)}, **options)


@pytest.mark.usefixtures("aws")
def test_a_relative_registry_and_a_key_in_secrets_manager_reach_each_step(
    alone: Any, given: Mapping[str, Mapping[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("secretsmanager").create_secret(Name="cf/key", SecretString=SECRET)
    (alone.root / "pseudonym.key").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFOIL_TRACKING_URI", "sqlite:///own.db")
    monkeypatch.setenv("COUNTERFOIL_PSEUDONYM_KEY_SECRET", "cf/key")
    monkeypatch.setattr(here, "run_pipeline", partial(_with_faults, alone.faults))

    place = Workspace(Settings(workspace=alone.root))
    execution = here.run_here("training", given["first training"], place, on_event=alone.events.append)

    assert execution.status == SUCCEEDED
    assert (tmp_path / "own.db").exists()
    assert list(alone.root.rglob("*.db")) == []
    listed = Workspace(Settings(workspace=alone.root)).registry
    registered = here.output(execution, place, "register", "registered", "registered.json")["release"]
    assert [release.release_id for release in listed.releases()] == [registered]
    assert find(listed, CHALLENGER).release_id == registered

    assert not (alone.root / "pseudonym.key").exists()
    files = place.tables.files("transactions")
    keys = {(pq.read_metadata(path).metadata or {})[KEY_ID] for path in files}
    assert keys == {PseudonymKeys((SECRET.encode(),)).key_id.encode()}
