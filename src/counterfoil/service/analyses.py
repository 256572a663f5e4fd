"""Analyses over HTTP: start the detection pipeline on files, and see how far it is."""

from typing import Annotated

from fastapi import Depends, FastAPI, Path

from counterfoil.ports.analyses import AnalysisProgress
from counterfoil.ports.releases import LoggedDecision
from counterfoil.service import analysis_models as models
from counterfoil.service.access import Role
from counterfoil.service.callers import Operator, allowed, person_of
from counterfoil.service.serving import Serving
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring.analyses import Wanted

AnalysisId = Annotated[str, Path(pattern="^a[0-9a-f]{32}$")]
_DONE = ("Succeeded", "Skipped")


def add_analyses(app: FastAPI, serving: Serving, workers: Workers) -> None:
    """Add the endpoints of analyses to the app."""
    place = serving.place

    @app.post("/v1/analyses", tags=["analyses"])
    async def start(body: models.AnalysisRequest, caller: Operator) -> models.Analysis:
        """Collect and score payment files. Safe to repeat: the same request on the same files is one analysis."""
        person = person_of(caller, body.by)
        return as_analysis(*await workers.run(lambda: place.analyses.start(wanted_of(body), person)))

    @app.get("/v1/analyses/{id}", tags=["analyses"], dependencies=[Depends(allowed(Role.ANALYST))])
    async def analysis(id: AnalysisId) -> models.Analysis:
        """Return how far an analysis is: steps, results, or why it failed."""
        return as_analysis(*await workers.run(lambda: place.analyses.find(id)))


def wanted_of(body: models.AnalysisRequest) -> Wanted:
    """What a request asks for."""
    [name] = body.files or [body.prefix or ""]
    return Wanted(
        name, body.files is None, body.mapping, body.release, body.since, body.until, body.request_id or ""
    )  # fmt: skip


def as_analysis(entry: LoggedDecision, progress: AnalysisProgress) -> models.Analysis:
    """An analysis as it is answered."""
    steps = progress.steps
    told = entry.details
    return models.Analysis(
        analysis_id=entry.subject,
        state=progress.state.value,
        files=told["files"],
        mapping=told["mapping"],
        release=told["release"],
        since=told["since"],
        until=told["until"],
        by=entry.actor,
        requested_at="" if entry.at is None else entry.at.isoformat(),
        started_at=None if progress.started is None else progress.started.isoformat(),
        execution=progress.execution,
        steps=None if steps is None else [models.AnalysisStep.model_validate(vars(step)) for step in steps],
        steps_done=None if steps is None else sum(step.status in _DONE for step in steps),
        failure=progress.failure,
        results=models.AnalysisResults.model_validate(progress.results) if progress.results else None,
    )
