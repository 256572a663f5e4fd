"""Build images here, run their entry points, show sizes: `python -m infra.trial [NAME...]`, for `make images`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from counterfoil.errors import CounterfoilError
from infra.trial.buildah import BASE, Buildah, why_not
from infra.trial.dockerfiles import SPARK, single_stage, without_downloads
from infra.trial.entry_points import IMAGES, try_images
from infra.trial.host import mounts, pip_configuration

CONTAINERS = Path(__file__).parents[2] / "containers"
_ON_SPARK = ("features_spark",)
_WITH_TORCH = ("detector", "scoring")
_SPARK_BASE = "spark-base"


def build(images: Buildah, names: Sequence[str], *, single: bool = False) -> dict[str, list[int]]:
    """Build the named images; return by name the bytes of each, with `single` also those of one built in one stage.

    An image that is in one stage anyway has no second figure.
    """
    taken = mounts(pip_configuration(), images.folder / "pip.conf")
    if set(names) & set(_ON_SPARK):
        images.build(_SPARK_BASE, SPARK, images.folder, taken)
    found: dict[str, list[int]] = {}
    shared = single or len(names) > 1
    for name in names:
        text, base = _dockerfile(name), _SPARK_BASE if name in _ON_SPARK else BASE
        images.build(name, text, CONTAINERS.parent, taken, base, shared=shared)
        found[name] = [images.size(name)]
        if single and (one := single_stage(text)) is not None:
            images.build(f"{name}-single", one, CONTAINERS.parent, taken, base, shared=shared)
            found[name].append(images.size(f"{name}-single"))
    return found


def _dockerfile(name: str) -> str:
    return without_downloads((CONTAINERS / name / "Dockerfile").read_text(encoding="utf-8"))


def table(sizes: dict[str, list[int]]) -> str:
    """The sizes as the README shows them, in MB."""
    rows = [[name, *(f"{size / 1e6:,.0f}" for size in found), ""][:3] for name, found in sizes.items()]
    head = ["image, MB", "size", "built in a single stage"]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * 3, *rows))


def main() -> int:
    """0 tried, or skipped with the reason; 1 an image that cannot be built or whose entry point fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*IMAGES, []], metavar="NAME", help=f"{', '.join(IMAGES)}; or all")
    parser.add_argument("--single", action="store_true", help="Build each in one stage too, to compare sizes")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="Where there is room")
    asked = parser.parse_args()
    names = asked.names or IMAGES
    if (reason := why_not(asked.folder, sum(name in _WITH_TORCH for name in names))) is not None:
        print(f"skipped: {reason}")  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory(prefix="cf-", dir=asked.folder) as folder:
        Path(folder).chmod(0o711)  # images run as users of their own, and reach the database's socket in it
        images = Buildah(Path(folder))
        try:
            images.make_base()
            sizes = {"base": [images.size(BASE)], **build(images, names, single=asked.single)}
            for name, said in try_images(images, names, Path(folder) / "trial").items():
                print(f"{name}: {said}")  # noqa: T201
        except CounterfoilError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 1
    print(table(sizes))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
