"""The images' own entry points on simulated payments, each job given its `/opt/ml` as SageMaker gives it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from counterfoil.adapters.postgres import embedded
from counterfoil.simulation import as_csv, simulate
from infra.trial.buildah import Buildah, ImageError
from pipelines.catalogue import JOBS

_MAPPING = ["--mapping", "counterfoil-simulated"]
_WORKSPACE = "/opt/ml/workspace"


@dataclass(frozen=True)
class Trial:
    """A job of an image: the step, its arguments, and the channels that an earlier trial wrote."""

    image: str
    step: str
    arguments: Sequence[str]
    carried: Sequence[str] = ()
    after: str = ""


TRIALS = (
    Trial("collector", "collect", [*_MAPPING, "--input-version", "v1"]),
    Trial("detector", "features", [*_MAPPING, "--scope", "new"], ("transactions", "labels"), "collect"),
)
"""In the order in which they need each other."""


def try_jobs(images: Buildah, names: Sequence[str], folder: Path) -> dict[str, Mapping[str, object]]:
    """Run the entry points of the named images in `folder`; return by step what each job's summary says.

    Raises ImageError for a job that failed, and for one that was not carried what it needs.
    """
    raw = folder / "collect" / "ml" / "processing" / "input" / "raw"
    raw.mkdir(parents=True)
    payments = simulate(accounts=20, merchants=20, days=30, start=date(2026, 1, 1), seed=1)
    (raw / "payments.csv").write_bytes(as_csv(payments))
    database = embedded.start(folder / "pg")
    try:
        return {trial.step: _run(images, trial, folder, database) for trial in TRIALS if trial.image in names}
    finally:
        embedded.stop(folder / "pg")


def _run(images: Buildah, trial: Trial, folder: Path, database: str) -> Mapping[str, object]:
    root = folder / trial.step / "ml"
    (root / "processing" / "input").mkdir(parents=True, exist_ok=True)
    (root / "config").mkdir()
    for channel in trial.carried:
        written = folder / trial.after / "ml" / "processing" / "output" / channel
        if not written.is_dir():
            raise ImageError(f"{trial.step} needs what {trial.after} writes: try its image too")
        shutil.copytree(written, root / "processing" / "input" / channel)
    told = {
        "ProcessingInputs": [{"InputName": "raw", "S3Input": {"S3Uri": "s3://bank/raw/"}}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": name} for name in JOBS[trial.step].outputs]},
    }
    (root / "config" / "processingjobconfig.json").write_text(json.dumps(told))
    images.run(
        trial.image, [*images.entry_point(trial.image), trial.step, *trial.arguments],
        [f"{root}:/opt/ml", f"{folder / 'pg'}:{folder / 'pg'}"],
        {"COUNTERFOIL_DATABASE_URL": database, "COUNTERFOIL_WORKSPACE": _WORKSPACE},
    )  # fmt: skip
    found: Mapping[str, object] = json.loads((root / "processing/output/summary/summary.json").read_text())
    return found
