"""The pins stand in two files, for pip and for SageMaker Studio: they must not drift apart."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=! ]", requirement)[0]).lower()


def _constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {_normal(name): version for name, version in (line.split("==") for line in lines if line)}


def _studio() -> dict[str, str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    [pins] = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return {_normal(name): version for name, version in (pin.split("==") for pin in pins if not pin.startswith("--"))}


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    return {_normal(requirement) for requirement in requirements}


def test_studio_has_the_pins_of_the_constraints() -> None:
    constraints = _constraints()
    assert {name: constraints.get(name) for name in _studio()} == _studio()


def test_studio_has_the_checkout_itself_and_the_pins_of_what_its_packages_need() -> None:
    """Without the second pip finds no end: it tries every version of what MLflow, moto and SageMaker share."""
    lines = [line.strip().removeprefix("- ") for line in (ROOT / "environment.yml").read_text().splitlines()]
    assert {"--constraint constraints.txt", "--editable ."} <= {*lines}


def test_every_declared_package_is_pinned_in_both() -> None:
    assert _declared() <= _constraints().keys()
    assert _declared() == _studio().keys()


def test_python_is_the_same() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "python=3.11" in dependencies
    assert project["requires-python"] == ">=3.11,<3.12"


def test_what_the_demo_installs_is_a_part_of_what_the_tests_install() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    makefile = (ROOT / "Makefile").read_text()
    [demo], [whole] = (re.findall(rf"--editable '\.\[({names}[a-z,]*)\]'", makefile) for names in ("demo", "weights"))
    assert demo == "demo"
    assert {*extras["demo"]} <= {requirement for name in whole.split(",") for requirement in extras[name]}


def test_mypy_follows_every_part_of_the_cdk_that_is_imported() -> None:
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    [followed] = [set(entry["module"]) for entry in overrides if entry.get("follow_imports") == "normal"]
    sources = [path.read_text() for path in (ROOT / "infra").rglob("*.py") if "node_modules" not in path.parts]
    lines = "\n".join(sources)
    names = [name for line in re.findall(r"^\s*from aws_cdk import (.+)$", lines, re.M) for name in line.split(", ")]
    parts = {f"aws_cdk.{name.split(' as ')[0]}" for name in names if name.startswith("aws_")}
    parts |= set(re.findall(r"^\s*(?:from|import) (aws_cdk\.[\w.]+)", lines, re.M))
    assert len(parts) > 20
    assert parts == {name for name in followed if name.startswith("aws_cdk.aws_")}


def test_what_users_install_has_lower_bounds_that_the_pins_keep() -> None:
    """Version 2 of the SageMaker SDK fulfilled 'sagemaker', and nothing ran."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = _constraints()
    wrong = [
        text
        for name, requirements in extras.items()
        if name not in ("dev", "bench")
        for text in requirements
        if ">=" not in text or not Requirement(text).specifier.contains(pins[_normal(text)])
    ]
    assert wrong == []
    [sdk] = [Requirement(text) for text in extras["aws"] if text.startswith("sagemaker")]
    assert not sdk.specifier.contains("2.245.0")
