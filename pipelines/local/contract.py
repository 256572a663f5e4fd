"""What SageMaker puts into an instance of a processing job: folders, two JSON files and an environment."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfoil.errors import PipelineError
from pipelines.local.needed import needed_by

ML_ROOT_VARIABLE = "COUNTERFOIL_ML_ROOT"
"""Says where the folder of an instance is; the only variable in which two steps always differ."""
LONGEST_MESSAGE = 1024
"""SageMaker keeps this many bytes of a job's exit message."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
_THREADS = "_NUM_THREADS"
_LINEAR_ALGEBRA = "OPENBLAS_"
"""Which kernels the processor gets: with others a step would come to other last digits than the same command."""
_OURS, _NOT_THE_STEPS = "COUNTERFOIL_", "COUNTERFOIL_PIPELINE_"


@dataclass(frozen=True)
class Host:
    """An instance: its name (algo-1, ...) and the folder that stands for its /opt/ml."""

    name: str
    ml_root: Path

    @property
    def message(self) -> str:
        """What its process left as exit message; empty if it left none."""
        path = self.ml_root / "output" / "message"
        if not path.is_file():
            return ""
        return path.read_bytes()[:LONGEST_MESSAGE].decode("utf-8", "replace").strip()


def hosts_of(job_folder: Path, instances: int) -> list[Host]:
    """Return the instances of a job, in order."""
    names = [f"algo-{number}" for number in range(1, instances + 1)]
    return [Host(name, job_folder / name / "ml") for name in names]


def lay_out(host: Host, hosts: Sequence[Host], job_name: str, arguments: Mapping[str, Any]) -> None:
    """Make the folders and configuration files of one instance; inputs are copied in by the caller."""
    for folder in ("processing/input", "processing/output", "config", "output"):
        (host.ml_root / folder).mkdir(parents=True, exist_ok=True)
    for output in outputs_of(arguments):
        local_folder(output["S3Output"]["LocalPath"], host.ml_root).mkdir(parents=True, exist_ok=True)
    config = host.ml_root / "config"
    resource = {"current_host": host.name, "hosts": [other.name for other in hosts]}
    (config / "resourceconfig.json").write_text(json.dumps(resource), "utf-8")
    (config / "processingjobconfig.json").write_text(json.dumps(job_config(job_name, arguments), indent=1), "utf-8")


def job_config(job_name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what processingjobconfig.json says."""
    cluster = {"VolumeKmsKeyId": None, **arguments["ProcessingResources"]["ClusterConfig"]}
    return {
        "ProcessingJobArn": job_name,
        "ProcessingJobName": job_name,
        "Environment": dict(arguments.get("Environment") or {}),
        "AppSpecification": {"ContainerEntrypoint": None, "ContainerArguments": None, **arguments["AppSpecification"]},
        "ProcessingInputs": [{"AppManaged": False, **item} for item in inputs_of(arguments)],
        "ProcessingOutputConfig": {
            "Outputs": [{"AppManaged": False, **item} for item in outputs_of(arguments)],
            "KmsKeyId": (arguments.get("ProcessingOutputConfig") or {}).get("KmsKeyId"),
        },
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": arguments.get("RoleArn"),
        "StoppingCondition": dict(arguments.get("StoppingCondition") or {"MaxRuntimeInSeconds": 86_400}),
    }


def inputs_of(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a request's inputs."""
    return list(arguments.get("ProcessingInputs") or [])


def outputs_of(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a request's outputs."""
    return list((arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or [])


def settings_for(given: Mapping[str, str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that a step's result may depend on: ours of this process, those given, the step's own."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_OURS) and not name.startswith(_NOT_THE_STEPS)
    }
    return {**ours, **given, **(arguments.get("Environment") or {})}


def _is_of_the_machine(name: str) -> bool:
    return name.endswith(_THREADS) or name.startswith(_LINEAR_ALGEBRA)


def environment_for(host: Host, settings: Mapping[str, str], threads: int | None) -> dict[str, str]:
    """Return the whole environment of an instance's process: a container sees nothing else of its machine.

    `threads` bounds the libraries that size themselves by the machine, which instances share here.
    """
    machine = {name: os.environ[name] for name in _KEPT if name in os.environ}
    limits = {} if threads is None else {f"{name}{_THREADS}": str(threads) for name in ("OMP", "MKL", "OPENBLAS")}
    chosen = {name: value for name, value in os.environ.items() if _is_of_the_machine(name)}
    fixed = {"PYTHONUNBUFFERED": "1", ML_ROOT_VARIABLE: str(host.ml_root)}
    return {**machine, **limits, **chosen, **needed_by(settings), **settings, **fixed}


ML_ROOT = "/opt/ml"
ENTRYPOINT = ("python", "/opt/counterfoil/main.py")

_IMAGE = re.compile(r"(?:.*/)?counterfoil-(?P<name>[a-z0-9][a-z0-9_-]*)(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?")


def container_folder(specification: Mapping[str, Any], containers: Path) -> Path:
    """Return the folder of an image, below `containers`. Raises PipelineError naming image and entry point."""
    image, entrypoint = specification.get("ImageUri"), specification.get("ContainerEntrypoint")
    match = _IMAGE.fullmatch(str(image))
    folder = containers / match["name"] if match else None
    if folder is None or not (folder / "main.py").is_file():
        there = ", ".join(sorted(path.parent.name for path in containers.glob("*/main.py"))) or "none"
        raise PipelineError(
            f"image {image!r} (entry point {entrypoint!r}) has no folder in {containers}: an image "
            f"'<registry>/counterfoil-NAME:<tag>' is run as NAME/main.py, and NAME is one of: {there}"
        )
    if tuple(entrypoint or ()) != ENTRYPOINT:
        raise PipelineError(
            f"image {image!r} has the entry point {entrypoint!r}: the local session runs only {list(ENTRYPOINT)!r}"
        )
    return folder


def command(folder: Path, arguments: Sequence[str], ml_root: Path) -> list[str]:
    """Return the command of a container's process; paths below /opt/ml become paths below `ml_root`."""
    return [sys.executable, str(folder / "main.py"), *(_here(argument, ml_root) for argument in arguments)]


def _here(argument: str, ml_root: Path) -> str:
    if argument == ML_ROOT or argument.startswith(f"{ML_ROOT}/"):
        return f"{ml_root}{argument.removeprefix(ML_ROOT)}"
    return argument


def local_folder(path: str, ml_root: Path) -> Path:
    """Return where a LocalPath of the contract is for one instance."""
    return Path(_here(path, ml_root))
