"""The collector's image as buildah builds it here, on a base without a registry; its entry point collects payments."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aws_cdk", reason="the infrastructure's extra is not installed: make test")

from infra.trial.__main__ import CONTAINERS, build, table
from infra.trial.buildah import Buildah, ImageError, why_not
from infra.trial.dockerfiles import single_stage, without_downloads
from infra.trial.entry_points import IMAGES, try_images
from infra.trial.service import serve
from infra.trial.trial import Trial

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
    collected = try_images(images, ["collector"], tmp_path / "trial")["collector"]
    assert collected["rows_in"] == collected["rows_out"]
    assert isinstance(collected["rows_in"], int)
    assert collected["rows_in"] > 100
    asked = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('duckdb') is not None)"
    assert images.run("collector", ["python", "-c", asked]).split() == ["None", "True"]


@pytest.mark.parametrize("name", ["collector", "curation", "detector", "migration", "scoring"])
def test_a_single_stage_has_every_instruction_but_the_copies_between_stages(name: str) -> None:
    dockerfile = (CONTAINERS / name / "Dockerfile").read_text()
    whole, one = without_downloads(dockerfile), single_stage(without_downloads(dockerfile))
    assert one is not None
    assert "ADD" not in whole
    assert whole.count("\nFROM ") == 2
    assert one.count("\nFROM ") == 1
    left_out = {line for line in whole.splitlines() if line not in one.splitlines()}
    assert left_out == {line for line in whole.splitlines() if line.startswith("COPY --from=")} | {"FROM ${BASE_IMAGE}"}
    assert one.splitlines()[-1].startswith("ENTRYPOINT")


def test_an_image_of_one_stage_has_no_other_form() -> None:
    assert single_stage((CONTAINERS / "features_spark" / "Dockerfile").read_text()) is None


def test_every_image_has_a_trial_and_its_place_in_the_table() -> None:
    assert set(IMAGES) == {path.parent.name for path in CONTAINERS.glob("*/Dockerfile")}
    rows = table({"base": [226_000_000], "collector": [1_725_400_000, 1_731_000_000]}).splitlines()
    assert rows[2:] == ["| base | 226 |  |", "| collector | 1,725 | 1,731 |"]


def test_a_service_whose_port_is_taken_is_not_asked_in_the_other_s_place(tmp_path: Path) -> None:
    """It would be the other one that answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        class Exposing(Buildah):
            def port(self, image: str) -> int:
                return {"scoring": port}[image]

        with pytest.raises(ImageError, match=f"port {port} of this machine is taken, and scoring listens there"):
            serve(Trial(Exposing(tmp_path), tmp_path, b"", ""), "scoring")


def test_a_base_serves_for_a_week(tmp_path: Path) -> None:
    made = []

    class Noting(Buildah):
        def _bootstrap(self, file: Path) -> None:
            made.append(file)
            file.touch()

        def _buildah(self, *arguments: str) -> str:
            return arguments[0]

    for days, times in ((0, 1), (0, 1), (6, 1), (8, 2)):
        for file in made:
            os.utime(file, (time.time() - days * 86_400,) * 2)
        Noting(tmp_path).make_base(tmp_path)
        assert len(made) == times, days
