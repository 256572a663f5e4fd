"""What the commands of this room refuse: before this, `--help` was taken for a folder and emptied a page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.permissions import PAGE
from infra.picture import PICTURE

ROOT = Path(__file__).parents[2]


def _ran(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("infra/deploy/build_images.sh", [], "usage: build_images.sh REGISTRY TAG NAME..."),
        ("infra/deploy/build_wheel.sh", [], "usage: build_wheel.sh v1.2.3"),
        ("infra/deploy/show_claim.sh", [], "there is no token to ask for"),
        ("containers/try_images.sh", [], "usage: try_images.sh NAME..."),
        ("containers/try_images.sh", ["colector"], "there is no image colector"),
    ],
)
def test_scripts_say_what_they_want(script: str, arguments: list[str], said: str) -> None:
    away = {name: value for name, value in os.environ.items() if not name.startswith("ACTIONS_")}
    done = subprocess.run([ROOT / script, *arguments], env=away, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(("module", "made"), [("infra.permissions", PAGE), ("infra.picture", PICTURE)])
def test_a_folder_without_templates_changes_no_page(module: str, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    for folder in (str(tmp_path), str(tmp_path / "absent")):
        refused = _ran(module, folder)
        assert refused.returncode == 2
        assert f"folder '{folder}' holds no counterfoil-prod-*.template.json" in refused.stderr
    assert _ran(module, "--help").returncode == 0
    assert _ran(module).returncode == 2
    assert made.read_bytes() == before


def test_synth_refuses_what_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.command_line import new_folder

    (tmp_path / "file").write_text("")
    for argument, code in ((str(tmp_path / "file"), 2), ("--nonsense", 2), ("--help", 0)):
        monkeypatch.setattr(sys, "argv", ["infra.synth", argument])
        with pytest.raises(SystemExit) as ended:
            new_folder("")
        assert ended.value.code == code
    monkeypatch.setattr(sys, "argv", ["infra.synth", str(tmp_path / "new")])
    assert new_folder("") == tmp_path / "new"


def test_images_are_built_after_logging_in_to_every_registry_that_they_come_from(tmp_path: Path) -> None:
    """SageMaker's Spark lies in a registry of AWS, which nobody may read without a login."""
    said = tmp_path / "said"
    for name in ("aws", "docker"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $* >> {said}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    command = [ROOT / "infra/deploy/build_images.sh", registry, "v1", "collector", "features-spark"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    words = [line.split() for line in said.read_text().splitlines()]
    logins = [line[-1] for line in words if line[1] == "login"]
    assert logins == [registry, "571004829621.dkr.ecr.eu-west-1.amazonaws.com"]
    assert [line[-1] for line in words if line[0] == "aws"] == ["eu-central-1", "eu-west-1"]
    assert [line[-1] for line in words if line[1] == "push"] == [
        f"{registry}/counterfoil-{name}:v1" for name in ("collector", "features-spark")
    ]
    [spark] = [line for line in words if line[1] == "build" and "--build-arg" not in line]
    assert "containers/features_spark/Dockerfile" in spark
