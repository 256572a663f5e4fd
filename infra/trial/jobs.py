"""Processing jobs in their images, each given its `/opt/ml` as SageMaker gives it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfoil.domain.tables import ADDRESSES, LABELS_TABLE, TRANSACTIONS
from infra.trial.buildah import ImageError
from infra.trial.trial import MAPPING, Trial
from pipelines.catalogue import JOBS

_WORKSPACE = "/opt/ml/workspace"
_SPARK = {"SPARK_LOCAL_IP": "127.0.0.1"}
_MAIN = Path(__file__).parents[2] / "containers" / "features_spark" / "main.py"
_CODE = "/opt/ml/processing/input/code/main.py"
_COLLECTED = (TRANSACTIONS, LABELS_TABLE)


@dataclass(frozen=True)
class Job:
    """A job of an image: the step, its arguments, and the channels that the collector's job wrote."""

    step: str
    arguments: Sequence[str] = MAPPING
    carried: Sequence[str] = ()
    before: Sequence[str] = ()
    """What stands between the entry point and the step."""


JOB_OF = {
    "collector": Job("collect", (*MAPPING, "--input-version", "v1")),
    "curation": Job("curate", carried=(*_COLLECTED, ADDRESSES)),
    "detector": Job("features", (*MAPPING, "--scope", "new"), _COLLECTED),
    "features_spark": Job("features", (*MAPPING, "--scope", "new"), _COLLECTED, (_CODE,)),
}
"""By image, in the order in which they need each other."""


def run_job(trial: Trial, image: str) -> Mapping[str, object]:
    """Run the image's job and return what its summary says.

    Raises ImageError for a job that failed, and for one that was not carried what it needs.
    """
    job, root = JOB_OF[image], trial.folder / image / "ml"
    _carry(trial, job, root / "processing" / "input")
    outputs = [{"OutputName": name} for name in JOBS[job.step].outputs]
    told = {
        "ProcessingInputs": [{"InputName": "raw", "S3Input": {"S3Uri": "s3://bank/raw/"}}],
        "ProcessingOutputConfig": {"Outputs": outputs},
    }
    (root / "config").mkdir()
    (root / "config" / "processingjobconfig.json").write_text(json.dumps(told))
    trial.images.run(
        image, [*trial.images.entry_point(image), *job.before, job.step, *job.arguments],
        [f"{root}:/opt/ml", trial.mount],
        {"COUNTERFOIL_DATABASE_URL": trial.database, "COUNTERFOIL_WORKSPACE": _WORKSPACE, **_SPARK},
    )  # fmt: skip
    found: Mapping[str, object] = json.loads((root / "processing/output/summary/summary.json").read_text())
    return found


def _carry(trial: Trial, job: Job, inputs: Path) -> None:
    """Fill the job's input channels."""
    for channel in ("raw", "code"):
        (inputs / channel).mkdir(parents=True)
    (inputs / "raw" / "payments.csv").write_bytes(trial.payments)
    shutil.copy(_MAIN, inputs / "code")  # SageMaker's Spark is given the program as an input
    for channel in job.carried:
        written = trial.folder / "collector" / "ml" / "processing" / "output" / channel
        if not written.is_dir():
            raise ImageError(f"the step {job.step} needs what the collector writes: try the image collector too")
        shutil.copytree(written, inputs / channel)
