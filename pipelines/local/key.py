"""What a step's cache key is made of."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import counterfoil
from pipelines.local.contract import inputs_of, outputs_of
from pipelines.local.hashes import FileHashes
from pipelines.local.objects import StoredObject, files_of
from pipelines.parameters import INPUT_VERSION

REPOSITORY = Path(__file__).parents[2]

_EARLIER = re.compile(r"(?<=executions/)[A-Z0-9]{12}(?=/|$)")
_ID = "<execution>"
_PLACES = ("COUNTERFOIL_ML_ROOT", "COUNTERFOIL_WORKSPACE")
PINNED = "/opt/ml/processing/input/lake/"
"""Published tables. What they hold does not count, since `publish` changes it in the same execution: the parameter
`InputVersion` stands for the state in which they were found, but for what this execution adds."""
_NOT_CODE = ("__pycache__", ".pyc")


@dataclass(frozen=True)
class Code:
    """Where the code is: the containers' folders, and by its shown name what all of them use (folders or files)."""

    containers: Path
    shared: Mapping[str, Path]

    @classmethod
    def of_repository(cls) -> "Code":
        """Return the code that this package belongs to."""
        package = Path(counterfoil.__file__).parent
        pins = REPOSITORY / "constraints.txt"
        return cls(REPOSITORY / "containers", {"src/counterfoil": package, "constraints.txt": pins})

    def files(self, container: Path) -> dict[str, Path]:
        """Return the files that a container's result depends on, by their shown names."""
        places = {**self.shared, f"containers/{container.name}": container}
        return {
            f"{shown}/{name}" if folder.is_dir() else shown: file
            for shown, folder in places.items()
            for name, file in (files_of(folder) if folder.is_dir() else _itself(folder)).items()
            if not any(part in name for part in _NOT_CODE)
        }


@dataclass(frozen=True)
class Channel:
    """An input channel of a key: how it is dealt out, where the container finds it, and its objects' SHA-256."""

    path: str
    distribution: str
    objects: dict[str, str]


@dataclass(frozen=True)
class Components:
    """What a step's result depends on. Values of the environment are digests: they may be secrets."""

    image: str
    entrypoint: list[str]
    arguments: list[str]
    environment: dict[str, str]
    instances: int
    inputs: dict[str, Channel]
    outputs: dict[str, str]
    code: dict[str, str]

    @property
    def key(self) -> str:
        """SHA-256 (hex) over all components."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Components":
        """Return the components that `dataclasses.asdict` turned into `values`."""
        inputs = {name: Channel(**channel) for name, channel in values["inputs"].items()}
        return cls(**{**values, "inputs": inputs})


def components_of(
    arguments: Mapping[str, Any],
    objects: Mapping[str, Sequence[StoredObject]],
    settings: Mapping[str, str],
    code: dict[str, Path],
    hashes: FileHashes,
    *,
    salt: bytes,
    execution_id: str,
    input_version: str | None = None,
) -> Components:
    """Return the components of an evaluated request.

    Ids of executions in arguments and settings do not count: where an input lies differs each time, what it holds
    is what matters. `input_version` stands for what published tables hold. `salt` keeps digests of settings from
    being guessed.
    """
    application = arguments["AppSpecification"]

    def without_ids(value: str) -> str:
        return _EARLIER.sub(_ID, value.replace(execution_id, _ID))

    return Components(
        image=application["ImageUri"],
        entrypoint=list(application.get("ContainerEntrypoint") or []),
        arguments=[without_ids(value) for value in application.get("ContainerArguments") or []],
        environment={
            name: hashlib.sha256(salt + without_ids(value).encode()).hexdigest()[:16]
            for name, value in settings.items()
            if name not in _PLACES
        },
        instances=arguments["ProcessingResources"]["ClusterConfig"]["InstanceCount"],
        inputs={item["InputName"]: _channel(item, objects, hashes, input_version) for item in inputs_of(arguments)},
        outputs={item["OutputName"]: item["S3Output"]["LocalPath"] for item in outputs_of(arguments)},
        code=hashes.digests(code),
    )


def is_pinned(item: Mapping[str, Any], input_version: str | None) -> bool:
    """Whether an input counts by `input_version` and not by its objects: they may be others, or gone, by now."""
    return input_version is not None and item["S3Input"]["LocalPath"].startswith(PINNED)


def _channel(
    item: Mapping[str, Any], objects: Mapping[str, Sequence[StoredObject]], hashes: FileHashes, version: str | None
) -> Channel:
    source = item["S3Input"]
    if is_pinned(item, version):
        return Channel(source["LocalPath"], "pinned", {f"what {INPUT_VERSION} names": str(version)})
    files = {found.name: found.path for found in objects[item["InputName"]]}
    distribution = source.get("S3DataDistributionType") or "FullyReplicated"
    return Channel(source["LocalPath"], distribution, hashes.digests(files))


def _itself(file: Path) -> dict[str, Path]:
    return {file.name: file} if file.is_file() else {}
