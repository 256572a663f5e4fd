"""The step cache: what earlier executions made, found by what it was made from."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from counterfoil.errors import PipelineError
from pipelines.local.differences import differences
from pipelines.local.hashes import FileHashes
from pipelines.local.key import Components
from pipelines.local.objects import files_of
from pipelines.local.record import write_whole

_COMPARED = 30
"""Earlier runs of a step that an explanation looks at, newest first."""

_DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)


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
            write_whole(path, secrets.token_hex(32))
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
        write_whole(self._path(pipeline, step, job.components.key), json.dumps(asdict(job), indent=1, default=str))

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
    """Return an ISO 8601 duration (a year as 365 days, a month as 30). Raises PipelineError."""
    match = _DURATION.fullmatch(text)
    given = {name: int(value) for name, value in match.groupdict().items() if value} if match else {}
    if not given:
        raise PipelineError(f"CacheConfig.ExpireAfter {text!r} is no ISO 8601 duration such as P30D or P4DT12H")
    days = given.pop("years", 0) * 365 + given.pop("months", 0) * 30 + given.pop("days", 0)
    return timedelta(days=days, **given)


def _read(path: Path) -> CachedJob | None:
    """A cached job; None where there is none, or one of another version."""
    try:
        values: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        return CachedJob(**{**values, "components": Components.from_dict(values["components"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
