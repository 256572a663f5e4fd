"""Cases over HTTP: the queue, a case with its alerts and related payments, and what people do with it."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query

from counterfoil.domain.policy.desk_words import Entity, Outcome
from counterfoil.errors import UsageError
from counterfoil.ports.desk import Case, CaseAlert, CaseNote, RelatedPayment
from counterfoil.service import desk_models as models
from counterfoil.service.access import Role
from counterfoil.service.callers import Analyst, allowed, person_of
from counterfoil.service.serving import Serving
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring.cases import Closed, close_case, through_feedback
from counterfoil.workspace.policy_files import snooze

RELATED_WITHIN = timedelta(days=1)
MOST_RELATED = 50

CaseId = Annotated[str, Path(pattern="^c[0-9a-f]{12}$")]


def add_cases(app: FastAPI, serving: Serving, workers: Workers) -> None:
    """Add the endpoints of cases to the app."""
    store = serving.place.cases

    @app.get("/v1/cases", tags=["cases"], dependencies=[Depends(allowed(Role.ANALYST))])
    async def queue(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        closed: Annotated[bool, Query(description="Closed cases too")] = False,
    ) -> models.CaseQueue:
        """List the open cases, greatest expected loss first."""
        found = await workers.run(lambda: store.queue(limit, closed=closed))
        return models.CaseQueue(cases=[as_head(case) for case in found])

    @app.get("/v1/cases/{case_id}", tags=["cases"], dependencies=[Depends(allowed(Role.ANALYST))])
    async def case(case_id: CaseId) -> models.Case:
        """Show a case: its alerts, what was said of it, and payments that share something with it."""
        return await workers.run(whole_case, serving, case_id)

    @app.post("/v1/cases/{case_id}/assignment", tags=["cases"])
    async def assign(case_id: CaseId, body: models.Assignment, caller: Analyst) -> models.CaseHead:
        """Let somebody work on an open case."""
        person = person_of(caller, body.by)
        await workers.run(store.assign, case_id, body.to, person)
        return as_head(await workers.run(store.find, case_id))

    @app.post("/v1/cases/{case_id}/notes", tags=["cases"])
    async def note(case_id: CaseId, body: models.NewNote, caller: Analyst) -> list[models.CaseNote]:
        """Add a note to a case, and return all its notes."""
        await workers.run(store.note, case_id, person_of(caller, body.by), body.words)
        return [as_note(one) for one in await workers.run(store.notes, case_id)]

    @app.post("/v1/cases/{case_id}/ring", tags=["cases"])
    async def link(case_id: CaseId, body: models.Linking, caller: Analyst) -> models.CaseHead:
        """Let an open case be worked on with another one, of a linked account; tell which case leads the ring."""
        person = person_of(caller, body.by)
        return as_head(await workers.run(store.link, case_id, body.case, person, body.reason))

    @app.post("/v1/cases/{case_id}/ring/leave", tags=["cases"])
    async def unlink(case_id: CaseId, body: models.Signed, caller: Analyst) -> models.CaseHead:
        """Take an open case out of its ring."""
        await workers.run(store.unlink, case_id, person_of(caller, body.by), body.reason)
        return as_head(await workers.run(store.find, case_id))

    @app.post("/v1/cases/{case_id}/close", tags=["cases"])
    async def close(case_id: CaseId, body: models.Closing, caller: Analyst) -> models.ClosedCase:
        """Close a case; its outcome is the label of each of its payments, and acts as feedback does."""
        person = person_of(caller, body.by)
        done = await workers.run(
            lambda: close_as(serving, case_id, Outcome(body.outcome), person, body.reason, caller.token_id)
        )
        labels = done.appended.new + done.appended.changed
        return models.ClosedCase(case=as_head(done.case), said=done.said, labels=labels)

    @app.post("/v1/cases/{case_id}/snooze", tags=["cases"])
    async def snooze_account(case_id: CaseId, body: models.SnoozeCase, caller: Analyst) -> models.Snoozed:
        """Keep the case's account out of review for some days."""
        person = person_of(caller, body.by)
        last = await workers.run(lambda: snooze_case(serving, case_id, body.days, person, body.reason))
        return models.Snoozed(until=last)


def close_as(serving: Serving, case_id: str, outcome: Outcome, person: str, reason: str, token: str | None) -> Closed:
    """Close a case; what the service scored gets the outcome as feedback, which acts at once. Raises `close_case`'s."""
    place = serving.place
    say = through_feedback(
        place.scores,
        lambda name, verdict, at_once: serving.say(
            name, verdict, person, reason, token=token, principal=person, at_once=at_once
        ),
    )
    return close_case(place.cases, place.tables, case_id, outcome, person, reason, say)


def snooze_case(serving: Serving, case_id: str, days: int, person: str, reason: str) -> str:
    """Snooze a case's account; return the last day. Raises NotFoundError, UsageError for a payment without account."""
    case = serving.place.cases.find(case_id)
    if case.account_id is None:
        raise UsageError(f"case {case_id} has no account that could be snoozed: snooze its merchant")
    last = snooze(serving.place, Entity.ACCOUNT, case.account_id, days, person, reason, hashed=True)
    serving.place.cases.note(case_id, person, f"account snoozed until {last}: {reason}")
    return last


def whole_case(serving: Serving, case_id: str) -> models.Case:
    """All that is shown of a case. Raises NotFoundError."""
    store = serving.place.cases
    head = as_head(store.find(case_id))
    related = store.related(case_id, RELATED_WITHIN, MOST_RELATED)
    return models.Case(
        case=head,
        alerts=[as_payment(one) for one in store.alerts(case_id)],
        notes=[as_note(one) for one in store.notes(case_id)],
        related=[as_payment(one) for one in related],
    )


def as_head(case: Case) -> models.CaseHead:
    """A case as it is answered."""
    return models.CaseHead.model_validate(
        {
            **vars(case),
            "due": case.due.isoformat(),
            "opened_at": case.opened_at.isoformat(),
            "closed_at": None if case.closed_at is None else case.closed_at.isoformat(),
        }
    )


def as_payment(payment: CaseAlert | RelatedPayment) -> models.CasePayment:
    """A payment of a case as it is answered."""
    shared = list(payment.shared) if isinstance(payment, RelatedPayment) else []
    return models.CasePayment.model_validate(
        {**vars(payment), "event_time": payment.event_time.isoformat(), "shared": shared}
    )


def as_note(note: CaseNote) -> models.CaseNote:
    """A note as it is answered."""
    return models.CaseNote(at=note.at.isoformat(), said_by=note.said_by, what=note.what, words=note.words)
