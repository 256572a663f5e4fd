"""Analyses of payment files: started once for each request, remembered in the decision log, looked at by id."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from counterfoil.errors import NotFoundError, UsageError
from counterfoil.ports.analyses import AnalysisJob, AnalysisProgress, AnalysisRunner, RawFiles
from counterfoil.ports.releases import DecisionLog, LoggedDecision, ReleaseRegistry
from counterfoil.steps.releases.releases import resolve

STARTED = "analysis_started"
LONGEST_VALUE = 256  # what SageMaker takes as one container argument
_DIGITS = 32


@dataclass(frozen=True)
class Wanted:
    """A request: a file or (`folder`) all files below a place. Another `request_id` makes another analysis."""

    name: str
    folder: bool
    mapping: str
    release: str
    since: date | None = None
    until: date | None = None
    request_id: str = ""


class Analyses:
    """Starts analyses and finds out how far they are. `mappings` are the names that a request may give."""

    def __init__(
        self,
        runner: AnalysisRunner,
        decisions: DecisionLog,
        registry: ReleaseRegistry,
        mappings: Collection[str],
    ) -> None:
        self._runner = runner
        self._decisions = decisions
        self._registry = registry
        self._mappings = mappings

    def start(self, wanted: Wanted, person: str) -> tuple[LoggedDecision, AnalysisProgress]:
        """Start what is wanted, or find it if it was started before.

        Raises UsageError for an unknown mapping or release, and for files that are not there or may not be read.
        """
        self._check(wanted)
        raw = self._runner.files(wanted.name, folder=wanted.folder)
        if len(raw.uri) > LONGEST_VALUE:
            raise UsageError(
                f"the place of the files has {len(raw.uri)} characters: {LONGEST_VALUE} at most can be used"
            )
        analysis_id = id_of(wanted, raw)
        if known := self._decisions.entries(STARTED, analysis_id):
            return known[0], self._runner.look(analysis_id, known[0].details["handle"])
        job = AnalysisJob(analysis_id, raw, wanted.mapping, self._release(wanted), wanted.since, wanted.until)
        # Started before it is logged: after a crash between the two, the same request finds the job by its id.
        handle = self._runner.start(job)
        details = {
            "handle": handle, "files": raw.uri, "mapping": job.mapping, "release": job.release,
            "since": _text(job.since), "until": _text(job.until),
        }  # fmt: skip
        entry = self._decisions.append(LoggedDecision(STARTED, analysis_id, person, "", details))
        return entry, self._runner.look(analysis_id, handle)

    def find(self, analysis_id: str) -> tuple[LoggedDecision, AnalysisProgress]:
        """Return how an analysis was started and how far it is. Raises NotFoundError."""
        known = self._decisions.entries(STARTED, analysis_id)
        if not known:
            raise NotFoundError(f"there is no analysis {analysis_id}: POST /v1/analyses starts one and returns its id")
        return known[0], self._runner.look(analysis_id, known[0].details["handle"])

    def _check(self, wanted: Wanted) -> None:
        if wanted.mapping not in self._mappings:
            raise UsageError(f"there is no such mapping: use one of {', '.join(self._mappings)}")
        if wanted.since and wanted.until and wanted.since > wanted.until:
            raise UsageError(f"the span begins ({wanted.since}) after it ends ({wanted.until}): swap them")

    def _release(self, wanted: Wanted) -> str:
        try:
            return resolve(self._registry, wanted.release)
        except NotFoundError as error:
            raise UsageError(str(error)) from error


def id_of(wanted: Wanted, raw: RawFiles) -> str:
    """The id that this request on these files has, whoever asks and however often."""
    parts = [raw.uri, raw.digest, wanted.mapping, wanted.release, _text(wanted.since), _text(wanted.until)]
    content = json.dumps([*parts, wanted.request_id])
    return f"a{hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]}"


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
