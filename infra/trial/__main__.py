"""Build images here and run their entry points: `python -m infra.trial NAME...`, for `make images`."""

import argparse
import sys
import tempfile
from pathlib import Path

from counterfoil.errors import CounterfoilError
from infra.trial.buildah import Buildah, why_not
from infra.trial.dockerfiles import single_stage, without_downloads
from infra.trial.entry_points import TRIALS, try_jobs
from infra.trial.host import mounts, pip_configuration

CONTAINERS = Path(__file__).parents[2] / "containers"


def build(images: Buildah, names: list[str], *, single: bool = False) -> None:
    """Build the named images on the base, and with `single` each in one stage too, as NAME-single."""
    taken = mounts(pip_configuration(), images.folder / "pip.conf")
    for name in names:
        text = without_downloads((CONTAINERS / name / "Dockerfile").read_text(encoding="utf-8"))
        images.build(name, text, CONTAINERS.parent, taken)
        if single:
            images.build(f"{name}-single", single_stage(text), CONTAINERS.parent, taken)


def main() -> int:
    """0 tried, or skipped with the reason; 1 an image that cannot be built or whose entry point fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=[trial.image for trial in TRIALS], metavar="NAME")
    parser.add_argument("--single", action="store_true", help="Build each in one stage too, to compare sizes")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="Where there is room")
    asked = parser.parse_args()
    if (reason := why_not(asked.folder)) is not None:
        print(f"skipped: {reason}")  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory(prefix="cf-", dir=asked.folder) as folder:
        images = Buildah(Path(folder))
        try:
            images.make_base()
            build(images, asked.names, single=asked.single)
            for step, summary in try_jobs(images, asked.names, Path(folder) / "jobs").items():
                print(f"{step}: {summary}")  # noqa: T201
        except CounterfoilError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 1
        for name in asked.names:
            for image in (name, f"{name}-single")[: 1 + asked.single]:
                print(f"{image}: {images.size(image) / 1e6:,.0f} MB")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
