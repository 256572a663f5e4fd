"""The SDK sends nothing and asks nobody, from its import on, in a process that has no AWS configuration."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from counterfoil.cli import main
from pipelines import telemetry

QUIET_PROCESS = """
import json, logging, os, socket, warnings
warnings.simplefilter("error")
asked = []

def refuse(self, address):
    asked.append(str(address))
    raise OSError("no network")

socket.socket.connect = refuse
from counterfoil.workspace.settings import PipelineSettings
from pipelines import catalogue
from pipelines.telemetry import aws_session, offline_session

texts = [catalogue.definition(name, PipelineSettings()) for name in catalogue.PIPELINES]
asked_of_nobody = list(asked)
import boto3
from sagemaker.core.common_utils import resolve_value_from_config
from sagemaker.core.config.config_schema import TELEMETRY_OPT_OUT_PATH
from sagemaker.core.config.config import load_sagemaker_config

sessions = [offline_session(PipelineSettings()), aws_session(PipelineSettings())]
print(json.dumps({
    "asked": asked_of_nobody,
    "opted out": [resolve_value_from_config(config_path=TELEMETRY_OPT_OUT_PATH, sagemaker_session=s) for s in sessions],
    "others opted out": load_sagemaker_config(),
    "aws variables": sorted(name for name in os.environ if name.startswith("AWS_")),
    "default session": str(boto3.DEFAULT_SESSION),
    "root logger": [logging.getLogger().level, len(logging.getLogger().handlers)],
    "config": os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"],
    "lengths": [len(text) for text in texts],
}))
"""


def test_a_definition_needs_no_account_and_no_network(tmp_path: Path) -> None:
    # With EC2's metadata service allowed, botocore would ask it.
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "false"}
    done = subprocess.run([sys.executable, "-c", QUIET_PROCESS], env=bare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["asked"] == []
    assert min(told["lengths"]) > 1000
    assert told["opted out"] == [True, True]
    assert told["others opted out"]["SageMaker"]["PythonSDK"]["Modules"]["TelemetryOptOut"] is True
    assert told["aws variables"] == ["AWS_EC2_METADATA_DISABLED"]
    assert told["default session"] == "None"
    assert told["root logger"] == [30, 0]
    assert not Path(told["config"]).exists()  # gone with the process
    assert done.stderr == ""


@pytest.mark.parametrize("command", [("run", "training"), ("definition", "training")])
@pytest.mark.parametrize("found", ["none", "2.245.0"])
def test_an_sdk_that_is_none_or_too_old_is_told_before_anything_begins(
    command: tuple[str, ...], found: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def version(name: str) -> str:
        if found == "none":
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(telemetry, "version", version)
    monkeypatch.setenv("COUNTERFOIL_WORKSPACE", str(tmp_path / "w"))
    telemetry.silence_sdk.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main(("pipeline", *command))
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"version 3 of the SageMaker SDK, and here is {found}: install counterfoil[aws]" in line
    assert not (tmp_path / "w").exists()
