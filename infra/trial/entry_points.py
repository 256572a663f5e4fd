"""The images' own entry points, each on the same few simulated payments."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from counterfoil.adapters.postgres import embedded
from counterfoil.simulation import as_csv, simulate
from infra.trial.buildah import Buildah
from infra.trial.jobs import JOB_OF, run_job
from infra.trial.migration import migrate
from infra.trial.service import serve
from infra.trial.trial import Trial

_TRY_OF: Mapping[str, Callable[[Trial, str], Mapping[str, object]]] = {
    **dict.fromkeys(JOB_OF, run_job),
    "migration": migrate,
    "scoring": serve,
}
IMAGES = tuple(_TRY_OF)
"""All images, in the order in which they need each other."""


def try_images(images: Buildah, names: Sequence[str], folder: Path) -> dict[str, Mapping[str, object]]:
    """Run the entry points of the named images in `folder`; return by image what came of each.

    Raises ImageError for one that failed, and for one that was not carried what it needs.
    """
    folder.mkdir()
    payments = as_csv(simulate(accounts=20, merchants=20, days=30, start=date(2026, 1, 1), seed=1))
    trial = Trial(images, folder, payments, embedded.start(folder / "pg"))
    (folder / "pg").chmod(0o711)  # the socket is in it, and images have users of their own
    try:
        return {name: _TRY_OF[name](trial, name) for name in IMAGES if name in names}
    finally:
        embedded.stop(folder / "pg")
