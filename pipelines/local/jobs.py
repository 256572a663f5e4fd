"""The SageMaker client of the local session: CreateProcessingJob and DescribeProcessingJob, done by processes here."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.local.cache import CachedJob, Lookup, StepCache
from pipelines.local.contract import (
    Host,
    command,
    container_folder,
    environment_for,
    hosts_of,
    inputs_of,
    job_config,
    lay_out,
    local_folder,
    outputs_of,
    settings_for,
)
from pipelines.local.errors import AlgorithmError, ClientError, MaxRuntimeExceededError
from pipelines.local.events import Event, OnEvent, ignore
from pipelines.local.key import Code, Components, components_of, is_pinned
from pipelines.local.objects import Objects, StoredObject, appear, copy_in, dealt, files_of, gather
from pipelines.local.processes import Command, describe_code, run_together, start, tail
from pipelines.local.request import check_request
from pipelines.local.standby import Next, Standby
from pipelines.local.support import check_support

_A_DAY = 86_400


@dataclass(frozen=True)
class Machine:
    """How jobs are run here.

    `environment` holds settings (COUNTERFOIL_...) for all steps; the steps' own go before. With `pin`, instance i of
    several is kept on one processor. With `ahead`, the next step's process is started while one runs. A job that must
    end gets `grace_seconds` before it is killed.
    """

    code: Code = field(default_factory=Code.of_repository)
    environment: Mapping[str, str] = field(default_factory=dict)
    pin: bool = False
    use_cache: bool = True
    ahead: bool = False
    grace_seconds: float = 10.0


@dataclass(frozen=True)
class RunningStep:
    """The step that a job is for. `input_version` names the state of what the pipeline reads, where it has one.

    `following` is the AppSpecification of the job that comes next if all goes well, as far as it is known.
    """

    pipeline: str
    name: str
    execution_id: str
    cached: bool = False
    expires_after: str | None = None
    input_version: str | None = None
    following: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Job:
    """A request that will be run."""

    name: str
    arguments: Mapping[str, Any]
    objects: Mapping[str, Sequence[StoredObject]]
    container: Path
    hosts: Sequence[Host]
    settings: Mapping[str, str]


class LocalJobs:
    """Processing jobs of one execution, one after another; `lookup` has what the cache said of the last."""

    def __init__(self, objects: Objects, workspace: Path, machine: Machine, on_event: OnEvent = ignore) -> None:
        self._objects, self._workspace, self._machine, self._on_event = objects, workspace, machine, on_event
        self._cache = StepCache(workspace / "executions" / "cache", workspace)
        self._described: dict[str, dict[str, Any]] = {}
        self._standby = Standby()
        self.begin(RunningStep("", "", ""))

    def begin(self, step: RunningStep) -> None:
        """Say for which step the next job is."""
        self.step, self.lookup = step, Lookup(None, ())

    def close(self) -> None:
        """End what waits for a step that does not come."""
        self._standby.end()

    @property
    def folder(self) -> Path:
        """The folders of running jobs of this execution."""
        return self._workspace / "jobs" / self.step.execution_id

    def create_processing_job(self, job_name: str, **arguments: Any) -> None:
        """Run a job to its end, or take it from the cache.

        Raises AlgorithmError, ClientError or MaxRuntimeExceededError as SageMaker words it, and PipelineError for what
        only exists on SageMaker.
        """
        check_request(job_name, arguments)
        check_support([{"Name": self.step.name, "Type": "Processing", "Arguments": arguments}])
        self.check_places(arguments)
        version = self.step.input_version
        pinned = [item for item in inputs_of(arguments) if is_pinned(item, version)]
        objects = {item["InputName"]: self._listed(item) for item in inputs_of(arguments) if item not in pinned}
        instances = arguments["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
        job = _Job(
            job_name, arguments, objects,
            container_folder(arguments["AppSpecification"], self._machine.code.containers),
            hosts_of(self.folder / self.step.name, instances),
            settings_for({"COUNTERFOIL_WORKSPACE": str(self._workspace), **self._machine.environment}, arguments),
        )  # fmt: skip
        components = self._look_up(job)
        if self.lookup.job is not None:
            self._described[job_name] = self.lookup.job.description
            return
        self._run(replace(job, objects={**objects, **{item["InputName"]: self._listed(item) for item in pinned}}))
        if components is not None:
            self._remember(job, components)

    def check_places(self, arguments: Mapping[str, Any]) -> None:
        """Raise PipelineError if the image has no container here, or an address that is known lies elsewhere."""
        if isinstance(arguments["AppSpecification"]["ImageUri"], str):
            container_folder(arguments["AppSpecification"], self._machine.code.containers)
        outputs = _texts(item["S3Output"]["S3Uri"] for item in outputs_of(arguments))
        inputs = _texts(item["S3Input"]["S3Uri"] for item in inputs_of(arguments))
        for uri in (*outputs, *(uri for uri in inputs if not uri.startswith(("/", "file://")))):
            self._objects.path(uri)

    def describe_processing_job(self, job_name: str) -> dict[str, Any]:
        """Return what DescribeProcessingJob says of a job that has ended well."""
        return deepcopy(self._described[job_name])

    def _listed(self, item: Mapping[str, Any]) -> list[StoredObject]:
        source = item["S3Input"]
        if not source.get("LocalPath"):
            raise ClientError(f"input {item['InputName']!r} has no LocalPath")
        return self._objects.listing(source["S3Uri"], source["S3DataType"])

    def _look_up(self, job: _Job) -> Components | None:
        """Ask the cache; returns what a job's result must be remembered by, or None if it must not be."""
        if not self.step.cached or not self._machine.use_cache:
            off = "CacheConfig is not enabled for this step" if self._machine.use_cache else "the cache is off"
            self.lookup = Lookup(None, (off,))
            return None
        components = components_of(
            job.arguments, job.objects, job.settings, self._machine.code.files(job.container), self._cache.hashes,
            salt=self._cache.salt, execution_id=self.step.execution_id, input_version=self.step.input_version,
        )  # fmt: skip
        self.lookup = self._cache.look_up(self.step.pipeline, self.step.name, components, self.step.expires_after)
        return components

    def _remember(self, job: _Job, components: Components) -> None:
        folders = [self._objects.path(item["S3Output"]["S3Uri"]) for item in outputs_of(job.arguments)]
        # Below the workspace, which may be moved.
        outputs = {
            str(folder.relative_to(self._workspace)): self._cache.hashes.digests(files_of(folder)) for folder in folders
        }
        description = self._described[job.name]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        cached = CachedJob(self.step.execution_id, at, components, outputs, description)
        self._cache.remember(self.step.pipeline, self.step.name, cached)

    def _run(self, job: _Job) -> None:
        started = datetime.now(UTC)
        place = self.folder / self.step.name
        shutil.rmtree(place, ignore_errors=True)
        try:
            self._prepare(job)
            self._run_processes(job)
            self._upload(job, place)
            self._described[job.name] = _description(job, started)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _prepare(self, job: _Job) -> None:
        for number, host in enumerate(job.hosts):
            lay_out(host, job.hosts, job.name, job.arguments)
            for item in inputs_of(job.arguments):
                objects = job.objects[item["InputName"]]
                if item["S3Input"].get("S3DataDistributionType") == "ShardedByS3Key":
                    objects = dealt(objects, number, len(job.hosts))
                copy_in(objects, local_folder(item["S3Input"]["LocalPath"], host.ml_root))

    def _run_processes(self, job: _Job) -> None:
        limit = (job.arguments.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", _A_DAY)
        commands = [self._command(job, number, host) for number, host in enumerate(job.hosts)]

        def report(host: str, line: str) -> None:
            self._on_event(Event("log", self.step.name, line, host))

        ended = run_together(commands, limit, report, self._machine.grace_seconds, self._begin)
        if ended.failed is None:
            return
        host = next(host for host in job.hosts if host.name == ended.failed)
        last = tail(next(command.log for command in commands if command.host == host.name))
        if ended.timed_out:
            why = f"the job ran longer than MaxRuntimeInSeconds ({limit} s) and was stopped"
            raise MaxRuntimeExceededError(why, last)
        raise AlgorithmError(host.message or describe_code(ended.code), last)

    def _begin(self, command: Command) -> "subprocess.Popen[bytes]":
        process = self._standby.take(command) or start(command)
        following = self.step.following
        if self._machine.ahead and following is not None:
            folder, given = container_folder(following, self._machine.code.containers), following["ContainerArguments"]
            self._standby.prepare(Next(folder, given[0]), command.environment, self._workspace)
        return process

    def _command(self, job: _Job, number: int, host: Host) -> Command:
        several = len(job.hosts) > 1
        processors = sorted(os.sched_getaffinity(0))
        given = job.arguments["AppSpecification"].get("ContainerArguments") or []
        pinned = several and self._machine.pin
        threads = 1 if pinned else max(1, len(processors) // len(job.hosts)) if several else None
        return Command(
            host=host.name,
            arguments=command(job.container, given, host.ml_root),
            environment=environment_for(host, job.settings, threads),
            folder=host.ml_root,
            log=self._workspace / "executions" / self.step.execution_id / "logs" / self.step.name / f"{host.name}.log",
            cpu=processors[number % len(processors)] if pinned else None,
        )  # fmt: skip

    def _upload(self, job: _Job, place: Path) -> None:
        """Gather all channels of all instances first: then nothing that can fail is left between two channels."""
        outputs = outputs_of(job.arguments)
        aside = {item["OutputName"]: place / "upload" / str(number) for number, item in enumerate(outputs)}
        for item in outputs:
            for host in job.hosts:
                gather(local_folder(item["S3Output"]["LocalPath"], host.ml_root), aside[item["OutputName"]])
        for item in outputs:
            appear(aside[item["OutputName"]], self._objects.path(item["S3Output"]["S3Uri"]))


def _texts(values: Iterable[Any]) -> list[str]:
    """Leave out what depends on a step that has not run yet."""
    return [value for value in values if isinstance(value, str)]


def _description(job: _Job, started: datetime) -> dict[str, Any]:
    message = job.hosts[0].message
    return {
        **job_config(job.name, job.arguments),
        "ProcessingJobStatus": "Completed",
        "ProcessingStartTime": started.isoformat(timespec="seconds"),
        "ProcessingEndTime": datetime.now(UTC).isoformat(timespec="seconds"),
        **({"ExitMessage": message} if message else {}),
    }
