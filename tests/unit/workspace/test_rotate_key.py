"""A lake in S3 is copied for the next key; settings decide when it is used."""

import json
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.memory.ledger import MemoryLedger
from counterfoil.cli import main
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import UsageError
from counterfoil.steps.intake.collect import collect
from counterfoil.workspace.settings import Settings
from counterfoil.workspace.wiring import Workspace

MAPPING = parse_mapping('[fields]\ntransaction_id = "id"\nevent_time = "t"\naccount = "who"\n', "shop")


def collected(place: Workspace, folder: Path, name: str) -> None:
    path = folder / f"{name}.csv"
    path.write_text(f"id,t,who\n{name},2024-01-01,ann\n")
    options: dict[str, Any] = {"reader": InputFiles(), "tables": place.tables, "ledger": MemoryLedger()}
    collect([path], MAPPING, key=place.pseudonym_key, **options)


@pytest.mark.slow
def test_lake_and_key_are_changed_together(
    bucket: str, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="key/1", SecretString="the first of the keys")
    secrets.create_secret(Name="key/2", SecretString=json.dumps(["the first of the keys", "the second of the keys"]))
    settings = {"workspace": str(tmp_path / "work"), "lake": f"s3://{bucket}/lake", "pseudonym_key_secret": "key/1"}
    for name, value in {**settings, "database_url": dsn}.items():
        monkeypatch.setenv(f"COUNTERFOIL_{name.upper()}", value)
    collected(Workspace(Settings()), tmp_path, "one")
    command = ["rotate-key", "--operator", "ada", "--reason", "yearly", "--new-key-secret", "key/2"]
    with pytest.raises(SystemExit):
        main(command)
    assert "give both --into and --new-key-secret" in capsys.readouterr().err
    for _ in range(2):  # the second time it is there
        with pytest.raises(SystemExit) as stop:
            main([*command, "--into", f"s3://{bucket}/next/lake"])
        assert not stop.value.code
    shown = " ".join(capsys.readouterr().out.split())
    assert "COUNTERFOIL_PSEUDONYM_KEY_SECRET=key/2" in shown
    assert "of the keys" not in shown

    collected(Workspace(Settings()), tmp_path, "two")  # as before
    monkeypatch.setenv("COUNTERFOIL_PSEUDONYM_KEY_SECRET", "key/2")
    with pytest.raises(UsageError, match="configure the lake's key, or the lake of this key"):
        collected(Workspace(Settings()), tmp_path, "three")
    monkeypatch.setenv("COUNTERFOIL_LAKE", f"s3://{bucket}/next/lake")
    place = Workspace(Settings())
    collected(place, tmp_path, "three")
    whose = [pq.ParquetFile(path).read()["account_id"][0].as_py() for path in place.tables.files("transactions")]
    assert len(whose) == 2
    assert len(set(whose)) == 1
    assert [entry.subject for entry in place.decisions.entries("rotate_key")] == [place.pseudonym_key.key_id]
