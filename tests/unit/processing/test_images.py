"""The images: Dockerfiles that hadolint takes, and light ones that need no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTAINERS = ("collector", "curation", "detector")


def test_dockerfiles_pass_hadolint() -> None:
    files = [str(path) for path in (ROOT / "containers").glob("*/Dockerfile")]
    assert len(files) == len(CONTAINERS) + 3  # and those of Spark, the service and the migration
    done = subprocess.run([str(Path(sys.executable).parent / "hadolint"), *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTAINERS)
def test_an_entry_point_is_ten_lines_that_run(name: str) -> None:
    main = ROOT / "containers" / name / "main.py"
    assert len(main.read_text().splitlines()) <= 10
    done = subprocess.run([sys.executable, str(main), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["collector", "curation"])
def test_light_images_do_without_the_heavy_libraries(name: str) -> None:
    code = (
        f"import sys, counterfoil.processing.{name}\n"
        "heavy = {'torch', 'sklearn', 'sentence_transformers', 'mlflow', 'sagemaker', 'scipy'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
