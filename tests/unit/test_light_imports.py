"""What answers at once imports no library that only training and scoring need."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "scipy", "pandas", "numba", "lightgbm", "sentence_transformers", "mlflow", "sagemaker")
COMMANDS = {
    "status": ("counterfoil.cli.show.operations", "counterfoil.steps.lake.status"),
    "evaluate": ("counterfoil.cli.show.runs", "counterfoil.steps.insights.evaluate_run"),
    "thresholds": ("counterfoil.cli.show.thresholds", "counterfoil.steps.insights.thresholds"),
    "release list": ("counterfoil.cli.show.releases", "counterfoil.steps.releases.releases"),
    "score": ("counterfoil.domain.tables", "counterfoil.domain.periods", "counterfoil.steps.scoring.compute"),
    "a container": ("counterfoil.processing.detector",),
}


def imported_by(code: str) -> set[str]:
    """The heavy libraries that a fresh Python has imported after running `code`."""
    ask = f"\nimport json, sys; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code + ask], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_reads_imports_nothing_heavy(command: str) -> None:
    modules = ["counterfoil.cli", "counterfoil.workspace.wiring", *COMMANDS[command]]
    assert imported_by("\n".join(f"import {module}" for module in modules)) == set()


ROOMS = {
    "workspace": HEAVY,
    "steps.lake": tuple(set(HEAVY) - {"numba", "scipy"}),  # the fold of features is compiled by numba
    "steps.intake": HEAVY,
    "steps.privacy": HEAVY,
    "steps.releases": HEAVY,
    "steps.insights": ("sklearn", "pandas", "lightgbm", "sentence_transformers", "mlflow", "sagemaker"),
    "service": ("sklearn", "pandas", "mlflow", "lightgbm", "sentence_transformers", "sagemaker"),
}
"""What no module of a room imports when it is itself imported, whatever its functions import when they are called."""


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_nothing_that_it_may_not(room: str) -> None:
    code = (
        "import importlib, pkgutil\n"
        f"room = importlib.import_module('counterfoil.{room}')\n"
        "for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'): importlib.import_module(module.name)"
    )
    assert imported_by(code) & set(ROOMS[room]) == set()


@pytest.mark.slow
def test_help_imports_nothing_heavy_and_not_even_arrow() -> None:
    code = "import sys\nfrom counterfoil.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    code += "\nassert not {'numpy', 'pyarrow', 'duckdb', 'pydantic'} & sys.modules.keys()"
    assert imported_by(code) == set()


@pytest.mark.slow
def test_what_is_heavy_is_seen_where_it_is_imported() -> None:
    assert "sklearn" in imported_by("import counterfoil.domain.training.validation")
