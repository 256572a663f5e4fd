"""Analyses on this machine: `counterfoil pipeline run detection` as a process of its own, remembered in a folder.

`<workspace>/analyses/<id>` has `lock`, which the process holds while it lives, `execution`, the id of the pipeline's
execution once there is one, and `output.log`, what the process said. So a service that was restarted knows it all.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from counterfoil.domain.intake.file_names import why_left_out
from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.analyses import AnalysisJob, AnalysisProgress, AnalysisState, AnalysisStep, RawFiles

_HANDLE = "workspace"
_COMPLAINT = "counterfoil: "
_MOST_WORDS = 1000
_STATES = {
    "Executing": AnalysisState.RUNNING,
    "Succeeded": AnalysisState.SUCCEEDED,
    "Failed": AnalysisState.FAILED,
    "Stopped": AnalysisState.STOPPED,
}


class FolderAnalyses:
    """An AnalysisRunner for files below the folder `raw`. `environment` has the settings of the processes."""

    def __init__(self, workspace: Path, raw: Path, bucket: str, environment: Mapping[str, str]) -> None:
        """`bucket` is what the local session calls the workspace's folder."""
        self._workspace = workspace
        self._raw = raw
        self._bucket = f"s3://{bucket}/"
        self._environment = environment
        self._children: list[subprocess.Popen[bytes]] = []

    def files(self, name: str, *, folder: bool) -> RawFiles:
        """Find a file, or all below a folder. Raises UsageError for none, and for one outside."""
        try:
            return self._files(name, folder=folder)
        except OSError as error:  # such as a name that is too long
            raise UsageError(f"the files cannot be read below {self._raw}: {error.strerror}") from None

    def _files(self, name: str, *, folder: bool) -> RawFiles:
        root = self._raw.resolve()
        place = (root / name).resolve()
        if ".." in Path(name).parts or not place.is_relative_to(root):
            raise UsageError(f"the files lie outside of what the service may read: put them below {self._raw}")
        if not (place.is_dir() if folder else place.is_file()):
            kind = "folder" if folder else "file"
            raise UsageError(f"there is no such {kind} below {self._raw}: put it there, or correct its name")
        states = [_state(file, place, root) for file in (_below(place) if folder else [place])]
        if not states:
            raise UsageError(f"there are no payment files in this folder below {self._raw}: put them there")
        return RawFiles(str(place), sha256("\n".join(sorted(states)).encode()).hexdigest())

    def start(self, job: AnalysisJob) -> str:
        """Start a process, unless one was started for this job before."""
        folder = self._folder(job.analysis_id)
        folder.mkdir(parents=True, exist_ok=True)
        self._reap()
        with (folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _HANDLE
            if not (folder / "begun").exists():
                self._children.append(self._run(job, folder, lock.fileno()))
                (folder / "begun").touch()
        return _HANDLE

    def _run(self, job: AnalysisJob, folder: Path, lock: int) -> "subprocess.Popen[bytes]":
        values = {"RawUri": job.raw.uri, "Mapping": job.mapping, "Release": job.release}
        values |= {name: day.isoformat() for name, day in (("Since", job.since), ("Until", job.until)) if day}
        parameters = [part for name, value in values.items() for part in ("--param", f"{name}={value}")]
        command = [sys.executable, "-m", "counterfoil.cli", "pipeline", "run", "detection", *parameters]
        with (folder / "output.log").open("wb") as log:
            return subprocess.Popen(
                [*command, "--execution-file", str(folder / "execution"), "--workspace", str(self._workspace)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._environment},
                # It outlives the service, and its lock ends with it, however it ends.
                pass_fds=(lock,), start_new_session=True,
            )  # fmt: skip

    def look(self, analysis_id: str, handle: str) -> AnalysisProgress:
        """Return how far a job is. Raises NotFoundError if it ran elsewhere or its folder was removed."""
        folder = self._folder(analysis_id)
        if handle != _HANDLE or not (folder / "lock").exists():
            raise NotFoundError(f"analysis {analysis_id} is not in this workspace: ask where it was started")
        self._reap()
        alive = _is_running(folder)  # before the record is read: who dies after that leaves a finished one
        record = self._record(folder)
        if record is not None:
            return self._progress(record, alive=alive)
        if alive:
            return AnalysisProgress(AnalysisState.RUNNING)
        return AnalysisProgress(AnalysisState.FAILED, failure=_last_words(folder / "output.log"))

    def _record(self, folder: Path) -> dict[str, Any] | None:
        try:
            execution = (folder / "execution").read_text("utf-8").strip()
            content = (self._workspace / "executions" / execution / "execution.json").read_text("utf-8")
        except FileNotFoundError:
            return None
        record: dict[str, Any] = json.loads(content)
        return record

    def _progress(self, record: Mapping[str, Any], *, alive: bool) -> AnalysisProgress:
        state = _STATES[record["status"]]
        if state is AnalysisState.RUNNING and not alive:
            state = AnalysisState.STOPPED
        failure = None if record["reason"] is None else f"step {record['failed_step']!r} failed: {record['reason']}"
        if state is AnalysisState.STOPPED:
            failure = failure or "its process was ended: ask again with another request_id"
        return AnalysisProgress(
            state=state,
            execution=record["execution_id"],
            steps=tuple(AnalysisStep(step["name"], step["status"], step["reason"]) for step in record["steps"]),
            started=datetime.fromisoformat(record["started"]),
            failure=failure,
            results=self._results(record) if state is AnalysisState.SUCCEEDED else {},
        )

    def _results(self, record: Mapping[str, Any]) -> dict[str, Any]:
        [report] = [step["outputs"]["report"] for step in record["steps"] if step["name"] == "report"]
        folder = self._workspace / report.removeprefix(self._bucket)
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        return {"scores": str(self._workspace / "lake" / "scores"), "report": str(folder), "summary": summary}

    def _folder(self, analysis_id: str) -> Path:
        return self._workspace / "analyses" / analysis_id

    def _reap(self) -> None:
        """Let the system forget the processes that ended."""
        self._children = [child for child in self._children if child.poll() is None]


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and all(why_left_out(part) is None for part in path.relative_to(folder).parts):
            yield path


def _state(file: Path, place: Path, root: Path) -> str:
    if not file.resolve().is_relative_to(root):
        raise UsageError(f"a link leads outside of what the service may read ({root}): put the file itself there")
    status = file.stat()
    return f"{file.relative_to(place)}\t{status.st_size}\t{status.st_mtime_ns}"


def _is_running(folder: Path) -> bool:
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _last_words(log: Path) -> str:
    """What the CLI complained of last, or where to look."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    complaint = text.rpartition(_COMPLAINT)[2] if _COMPLAINT in text else ""
    return " ".join(complaint.split())[:_MOST_WORDS] or f"its process ended before a step began: see {log}"
