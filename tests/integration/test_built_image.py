"""The collector's image as buildah builds it here, on a base without a registry; its entry point collects payments."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="the infrastructure's extra is not installed: make test")

from infra.trial.__main__ import CONTAINERS, build
from infra.trial.buildah import Buildah, ImageError, why_not
from infra.trial.dockerfiles import single_stage, without_downloads
from infra.trial.entry_points import try_jobs

pytestmark = pytest.mark.xdist_group("images")  # which begins early: it waits for the network


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Buildah]:
    """Return an empty store with a base; a machine that cannot make one says why."""
    if (reason := why_not(tmp_path)) is not None:
        pytest.skip(reason)
    found = Buildah(tmp_path / "store")
    found.folder.mkdir()
    try:
        found.make_base()
    except ImageError as error:
        pytest.skip(f"no base for images: {error}")
    yield found
    shutil.rmtree(found.folder)


@pytest.mark.slow
def test_the_collector_s_image_collects_payments_and_has_no_torch(images: Buildah, tmp_path: Path) -> None:
    build(images, ["collector"])
    collected = try_jobs(images, ["collector"], tmp_path / "jobs")["collect"]
    assert collected["rows_in"] == collected["rows_out"]
    assert isinstance(collected["rows_in"], int)
    assert collected["rows_in"] > 100
    asked = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('duckdb') is not None)"
    assert images.run("collector", ["python", "-c", asked]).split() == ["None", "True"]


@pytest.mark.parametrize("name", ["collector", "curation", "detector", "migration", "scoring"])
def test_a_single_stage_has_every_instruction_but_the_copies_between_stages(name: str) -> None:
    dockerfile = (CONTAINERS / name / "Dockerfile").read_text()
    whole, one = without_downloads(dockerfile), single_stage(without_downloads(dockerfile))
    assert "ADD" not in whole
    assert whole.count("\nFROM ") == 2
    assert one.count("\nFROM ") == 1
    left_out = {line for line in whole.splitlines() if line not in one.splitlines()}
    assert left_out == {line for line in whole.splitlines() if line.startswith("COPY --from=")} | {"FROM ${BASE_IMAGE}"}
    assert one.splitlines()[-1].startswith("ENTRYPOINT")
