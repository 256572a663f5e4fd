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


@pytest.mark.parametrize(("module", "made"), [("infra.permissions", PAGE), ("infra.picture", PICTURE)])
def test_a_folder_without_templates_changes_no_page(module: str, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    for folder in (str(tmp_path), str(tmp_path / "absent")):
        refused = _ran(module, folder)
        assert refused.returncode == 2
        assert f"folder '{folder}' holds no *.template.json" in refused.stderr
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
