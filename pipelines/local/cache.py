"""The step cache: what earlier executions made, found by what it was made from."""

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from counterfoil.adapters.folder.whole_files import write_whole
from counterfoil.errors import PipelineError
from pipelines.local.hashes import FileHashes
from pipelines.local.key import Channel, Components
from pipelines.local.objects import files_of

_COMPARED = 30
"""Earlier runs of a step that an explanation looks at, newest first."""

_DURATION = TypeAdapter(timedelta)


@dataclass(frozen=True)
class CachedJob:
    """A successful job: when and in which execution it ran, and where its outputs are.

    `outputs` maps the folder of each output channel, below the workspace, to the names and SHA-256 of its files;
    `description` is what DescribeProcessingJob said of the job.
    """

    execution: str
    at: str
    components: Components
    outputs: dict[str, dict[str, str]]
    description: dict[str, Any]


@dataclass(frozen=True)
class Lookup:
    """What the cache knows of a step: a job to take, or None; and why, a line each."""

    job: CachedJob | None
    reasons: tuple[str, ...]


class StepCache:
    """The cached jobs of `workspace`, in `folder`: a JSON file each, by pipeline, step and key."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._folder = folder
        self._workspace = workspace
        self.hashes = FileHashes(folder / "hashes.sqlite")

    @property
    def salt(self) -> bytes:
        """Bytes of this workspace that nobody else knows."""
        path = self._folder / "salt"
        if not path.exists():
            write_whole(path, secrets.token_hex(32), shared=True)
        return path.read_bytes()

    def look_up(self, pipeline: str, step: str, components: Components, expires_after: str | None) -> Lookup:
        """Find the job with these components that is not too old and whose outputs are still whole."""
        path = self._path(pipeline, step, components.key)
        job = _read(path)
        if job is None:
            return Lookup(None, self._explain(path.parent, components))
        age = datetime.now(UTC) - datetime.fromisoformat(job.at)
        if expires_after is not None and age > parse_duration(expires_after):
            return Lookup(None, (f"the run of execution {job.execution} is older than {expires_after}",))
        if damage := self._damage(job):
            return Lookup(None, (f"outputs of execution {job.execution} are not whole: {damage}",))
        return Lookup(job, (f"taken from execution {job.execution} of {job.at[:16].replace('T', ' ')} UTC",))

    def remember(self, pipeline: str, step: str, job: CachedJob) -> None:
        """Keep a job; a later one with the same components takes its place."""
        content = json.dumps(asdict(job), indent=1, default=str)
        write_whole(self._path(pipeline, step, job.components.key), content, shared=True)

    def _path(self, pipeline: str, step: str, key: str) -> Path:
        return self._folder / pipeline / step / f"{key}.json"

    def _damage(self, job: CachedJob) -> str | None:
        for folder, expected in job.outputs.items():
            there = files_of(self._workspace / folder)
            for name, digest in expected.items():
                if name not in there:
                    return f"{Path(folder, name)} is gone"
                if self.hashes.digests({name: there[name]})[name] != digest:
                    return f"{Path(folder, name)} changed"
            if added := sorted(there.keys() - expected.keys()):
                return f"{Path(folder, added[0])} was added"
        return None

    def _explain(self, folder: Path, components: Components) -> tuple[str, ...]:
        """Say how the most similar earlier run of the step differs."""
        paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)[:_COMPARED]
        jobs = [job for path in paths if (job := _read(path)) is not None]
        if not jobs:
            return ("no earlier run of this step",)
        nearest: list[str] = min((differences(job.components, components) for job in jobs), key=len)
        return tuple(nearest)


def parse_duration(text: str) -> timedelta:
    """Return an ISO 8601 duration, in capitals or not, with the P or without (a year as 365 days, a month as 30).

    Raises PipelineError.
    """
    with suppress(ValidationError):
        return _DURATION.validate_python(f"P{text.upper().removeprefix('P')}")
    raise PipelineError(f"CacheConfig.ExpireAfter {text!r} is no ISO 8601 duration such as P30D or P4DT12H")


def _read(path: Path) -> CachedJob | None:
    """A cached job; None where there is none, or one of another version."""
    try:
        values: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        return CachedJob(**{**values, "components": Components.from_dict(values["components"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


_NAMED = 3


def differences(old: Components, new: Components) -> list[str]:
    """Return what differs between an earlier run of a step and this one, a line each; empty if nothing does."""
    lines = [
        f"{name}: {_shown(before)} -> {_shown(after)}"
        for name in ("image", "entrypoint", "instances")
        if (before := getattr(old, name)) != (after := getattr(new, name))
    ]
    lines += _values("argument", _options(old.arguments), _options(new.arguments))
    lines += [f"environment: {change}" for change in _changes(old.environment, new.environment)]
    lines += [f"output {change}" for change in _changes(old.outputs, new.outputs)]
    for name in [*old.inputs, *(name for name in new.inputs if name not in old.inputs)]:
        lines += _input(name, old.inputs.get(name), new.inputs.get(name))
    lines += [f"code: {change}" for change in _some(_changes(old.code, new.code))]
    return lines


def _input(name: str, old: Channel | None, new: Channel | None) -> list[str]:
    if old is None or new is None:
        return [f"input {name}: {'new' if old is None else 'gone'}"]
    lines = []
    if old.path != new.path:
        lines.append(f"input {name}: {old.path} -> {new.path}")
    if old.distribution != new.distribution:
        lines.append(f"input {name}: {old.distribution} -> {new.distribution}")
    return lines + _objects(name, old.objects, new.objects)


def _objects(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = sorted(key for key in old.keys() & new.keys() if old[key] != new[key])
    counted = (
        (changed, f"of {len(old):,} objects changed"),
        (sorted(new.keys() - old.keys()), "objects are new"),
        (sorted(old.keys() - new.keys()), "objects are gone"),
    )
    return [f"input {name}: {len(names):,} {what}: {', '.join(_some(names))}" for names, what in counted if names]


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """Options with their values; other arguments by their place."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        if first.startswith("--") and rest and not rest[0].startswith("--"):
            found[first] = rest.pop(0)
        else:
            found[first if first.startswith("--") else f"number {len(arguments) - len(rest)}"] = first
    return found


def _values(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    names = [*old, *(name for name in new if name not in old)]
    return [
        f"{what} {name}: {old.get(name, '(none)')} -> {new.get(name, '(none)')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = [f"{name} changed" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    added = [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    return changed + added + [f"{name} is gone" for name in sorted(old.keys() - new.keys())]


def _some(names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return [*names[:_NAMED], *more]


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
