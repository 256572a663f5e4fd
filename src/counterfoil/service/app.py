"""The service: scores, feedback, health, metrics, and a page to review payments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import structlog
from fastapi import Body, Depends, FastAPI, Path, Query, Response
from pydantic import Discriminator, Tag
from starlette.middleware.trustedhost import TrustedHostMiddleware

from counterfoil import __version__
from counterfoil.service import analyses, cases, models, page, policy, problems
from counterfoil.service.access import Access, Caller, Role
from counterfoil.service.callers import allowed, principal_of
from counterfoil.service.gathering import Gathering
from counterfoil.service.limits import JSON, BodyLimits
from counterfoil.service.observed import Observed
from counterfoil.service.score_sets import Asked
from counterfoil.service.serving import Serving, answer_of
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring.confirm import Effect
from counterfoil.steps.scoring.feedback import Said, Verdict, feedback_on, scored, standing
from counterfoil.workspace.wiring import Workspace

FEW_PAYMENTS = 20
"""Requests of so many payments at most wait for others and are scored with them."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
log = structlog.get_logger()

TransactionId = Annotated[str, Path(min_length=1, max_length=256, pattern="^[^\x00]+$")]


def create_app(place: Workspace, *, auth: bool = True) -> FastAPI:
    """The app of a workspace. Without `auth` everybody is operator: for the loopback alone."""
    settings = place.settings
    serving = Serving(place)
    workers = Workers(
        settings.service_threads, settings.service_waiting, timedelta(milliseconds=settings.service_deadline_ms)
    )
    access = Access(place.tokens, place.pseudonym_key.keys[0], required=auth, gateway=settings.trusted_gateway)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        serving.open()
        yield
        serving.close()
        workers.close()

    app = FastAPI(
        title="Counterfoil",
        version=__version__,
        description="Scores payments, and names the precedents of every score.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={
            status: {"model": models.Problem, "content": {problems.MEDIA_TYPE: {}}}
            for status in (400, 401, 403, 404, 409, 413, 415, 422, 503)
        },
    )
    app.state.serving, app.state.workers, app.state.access = serving, workers, access
    problems.install(app)
    _add_health(app, serving)
    _add_scores(app, serving, workers)
    _add_feedback(app, serving, workers)
    _add_release(app, serving, workers)
    cases.add_cases(app, serving, workers)
    policy.add_policy(app, serving, workers)
    analyses.add_analyses(app, serving, workers)
    page.add_page(app, serving, workers, access)
    app.add_middleware(BodyLimits, most_bytes=settings.service_body_bytes)
    if not auth:  # no name of another site may lead here
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK))
    app.add_middleware(Observed, serving=serving)
    return app


def _add_health(app: FastAPI, serving: Serving) -> None:
    @app.get("/healthz", tags=["operations"])
    async def healthz() -> models.Health:
        """Answer while the process is alive."""
        return models.Health()

    @app.get("/readyz", tags=["operations"], responses={503: {"model": models.Readiness}})
    def readyz(response: Response) -> models.Readiness:
        """Ask every store; 503 while one does not answer."""
        found = serving.ready()
        response.status_code = 200 if found.ok else 503
        return models.Readiness(ready=found.ok, stores=dict(found.problems))

    @app.get("/metrics", tags=["operations"], dependencies=[Depends(allowed(Role.OPERATOR))])
    async def metrics() -> Response:
        """Return figures for Prometheus."""
        return Response(serving.metrics.text(), media_type="text/plain; version=0.0.4")


def _layout(body: Any) -> str:
    return "source" if isinstance(body, dict) and body.get("layout") == "source" else "canonical"


ScoreBody = Annotated[
    Annotated[models.ScoreRequest, Tag("canonical")] | Annotated[models.SourceRequest, Tag("source")],
    Discriminator(_layout),
    Body(),
]


def _add_scores(app: FastAPI, serving: Serving, workers: Workers) -> None:
    place = serving.place

    gathering: Gathering[Asked, bytes] = Gathering(workers, serving.score_all)

    @app.post(
        "/v1/score", tags=["scoring"], response_model=models.ScoreAnswer,
        dependencies=[Depends(allowed(Role.SCORE))],
    )  # fmt: skip
    async def score(body: ScoreBody) -> Response:
        """Score one payment or up to 500. Safe to repeat: a payment that was scored keeps its answer."""
        payments = [
            payment.model_dump(exclude_unset=True) if isinstance(payment, models.Payment) else payment
            for payment in body.payments
        ]
        asked = Asked(payments, isinstance(body, models.SourceRequest))
        if len(payments) <= FEW_PAYMENTS:
            return Response(await gathering.answer(asked), media_type=JSON)
        [found] = await workers.run(serving.score_all, [asked])
        if isinstance(found, Exception):
            raise found
        return Response(found, media_type=JSON)

    @app.get("/v1/transactions/{transaction_id}", tags=["scoring"], dependencies=[Depends(allowed(Role.SCORE))])
    async def transaction(transaction_id: TransactionId) -> models.Transaction:
        """Return what was scored, when, by which release and why, and what people said of it."""
        kept = await workers.run(scored, place.scores, transaction_id)
        said = await workers.run(feedback_on, place.decisions, transaction_id)
        return models.Transaction(
            score=models.Score.model_validate(answer_of(kept)),
            payment=dict(kept.payment),
            evidence=dict(kept.evidence),
            feedback=[as_feedback(one) for one in said],
            verdict=standing(said),
        )


def _add_feedback(app: FastAPI, serving: Serving, workers: Workers) -> None:
    @app.post("/v1/feedback", tags=["feedback"])
    async def feedback(
        body: models.FeedbackRequest,
        caller: Annotated[Caller, Depends(allowed(Role.ANALYST))],
        preview: Annotated[bool, Query(description="Keep nothing: only return what it would change")] = False,
    ) -> models.Feedback | models.Preview:
        """Say that a scored payment is fraud or good, or that what was said does not count. Kept for ever.

        It acts on the scores of payments like it within a second, unless it would change too many decisions.
        """
        verdict, principal = Verdict(body.verdict), principal_of(caller, body.by)
        if preview:
            found = await workers.run(serving.confirmations.preview, body.transaction_id, verdict, principal)
            return models.Preview(transaction_id=body.transaction_id, effect=as_effect(found))
        said, effect = await workers.run(
            lambda: serving.say(
                body.transaction_id, verdict, body.by, body.reason, token=caller.token_id, principal=principal
            )
        )
        return as_feedback(said, effect)


def _add_release(app: FastAPI, serving: Serving, workers: Workers) -> None:
    @app.get("/v1/releases/current", tags=["releases"], dependencies=[Depends(allowed(Role.SCORE))])
    async def current_release() -> models.CurrentRelease:
        """Return which release scores, and its thresholds."""
        in_use = await workers.run(serving.place.champion.current)
        release = in_use.detector.release
        return models.CurrentRelease(
            release_id=in_use.release_id,
            mapping=release.mapping,
            signal_kind=release.calibration.kind.value,
            review=release.thresholds.review,
            block=release.thresholds.block,
            trained_until=release.trained_until,
            references=release.reference_rows,
            frauds=release.reference_frauds,
            overlay_seq=in_use.detector.overlay.sequence,
            overlay_references=len(in_use.detector.overlay.references),
        )


def as_effect(effect: Effect) -> models.Effect:
    """What a word does, as it is answered."""
    moved = [models.Moved(transaction_id=m.transaction_id, before=m.before, after=m.after) for m in effect.moved]
    return models.Effect(
        state=effect.state.value,
        why=effect.why,
        overlay_seq=effect.overlay_seq,
        checked=effect.checked,
        allowed=effect.allowed,
        changed=len(moved),
        examples=moved[: models.MOST_EXAMPLES],
    )


def as_feedback(said: Said, effect: Effect | None = None) -> models.Feedback:
    """An entry of feedback as it is answered."""
    return models.Feedback(
        transaction_id=said.transaction_id,
        verdict=said.verdict,
        by=said.by,
        reason=said.reason,
        sequence=said.sequence,
        at=said.at.isoformat(),
        effect=None if effect is None else as_effect(effect),
    )
