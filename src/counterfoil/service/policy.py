"""Policies over HTTP: what is in force, proposals, the second signature, the way back, snoozes."""

from typing import Annotated

from fastapi import Depends, FastAPI, Path

from counterfoil.domain.policy.desk_words import Entity
from counterfoil.service import desk_models as models
from counterfoil.service.access import Role
from counterfoil.service.callers import Analyst, Operator, allowed, person_of
from counterfoil.service.serving import Serving
from counterfoil.service.workers import Workers
from counterfoil.steps.scoring import policies
from counterfoil.workspace.policy_files import rules_of_text, snooze
from counterfoil.workspace.policy_trials import shadow_of

LATEST_IN_SHADOW = 5_000
"""So many payments are decided on again while somebody waits for the answer."""

Version = Annotated[str, Path(pattern="^p[0-9a-f]{16}$")]


def add_policy(app: FastAPI, serving: Serving, workers: Workers) -> None:
    """Add the endpoints of policies to the app."""
    place = serving.place

    @app.get("/v1/policy", tags=["policy"], dependencies=[Depends(allowed(Role.ANALYST))])
    async def policy() -> models.Policy:
        """Return the rule set in force, those that wait for a second person, and the lists' entries."""
        return await workers.run(whole_policy, serving)

    @app.post("/v1/policy/proposals", tags=["policy"])
    async def propose(body: models.Proposal, caller: Analyst) -> models.PolicySigned:
        """Sign a rule set as its maker; it is in force once somebody else approves it."""
        person = person_of(caller, body.by)
        return as_signed(await workers.run(lambda: propose_as(serving, body.rules, person, body.reason)))

    @app.get("/v1/policy/proposals/{version}/shadow", tags=["policy"], dependencies=[Depends(allowed(Role.ANALYST))])
    async def shadow(version: Version) -> models.Shadow:
        """Tell what a proposal would have decided since it was proposed, beside what was decided."""
        return await workers.run(whole_shadow, serving, version)

    @app.post("/v1/policy/proposals/{version}/approval", tags=["policy"])
    async def approve(version: Version, body: models.Signed, caller: Operator) -> models.PolicySigned:
        """Sign a proposal as its checker, who is not its maker: it is in force within seconds."""
        person = person_of(caller, body.by)
        return as_signed(await workers.run(policies.approve, place.decisions, version, person, body.reason))

    @app.post("/v1/policy/rollback", tags=["policy"])
    async def rollback(body: models.Signed, caller: Operator) -> models.PolicySigned:
        """Let the policy before be in force again."""
        person = person_of(caller, body.by)
        return as_signed(await workers.run(policies.rollback, place.decisions, person, body.reason))

    @app.post("/v1/policy/snoozes", tags=["policy"])
    async def snooze_entity(body: models.Snooze, caller: Analyst) -> models.Snoozed:
        """Keep an account or merchant out of review for some days; its payments can still be blocked."""
        person = person_of(caller, body.by)
        last = await workers.run(snooze, place, Entity(body.entity), body.value, body.days, person, body.reason)
        return models.Snoozed(until=last)


def propose_as(serving: Serving, rules: str, person: str, reason: str) -> policies.Signed:
    """Propose a rule set whose rules may read what the release in use reads. Raises RuleSetError, ConflictError."""
    mapping = serving.place.champion.current().mapping
    return policies.propose(serving.place.decisions, rules_of_text(rules, mapping), person, reason)


def whole_policy(serving: Serving) -> models.Policy:
    """All that is shown of policies."""
    now = policies.standing(serving.place.decisions)
    waiting = [
        models.Waiting(
            version=entry.subject, name=entry.details["name"], maker=entry.actor, reason=entry.reason,
            at="" if entry.at is None else entry.at.isoformat(), rules=entry.details["text"],
        )
        for entry in now.waiting.values()
    ]  # fmt: skip
    lists = [
        models.ListState.model_validate(
            {**vars(one), "next_end": None if one.next_end is None else one.next_end.isoformat()}
        )
        for one in serving.place.lists.summaries()
    ]
    in_force = now.in_force
    rules = None if in_force is None else now.proposals[in_force].details["text"]
    return models.Policy(in_force=in_force, rules=rules, waiting=waiting, lists=lists)


def whole_shadow(serving: Serving, version: str) -> models.Shadow:
    """What a proposal decides on what was scored since. Raises NotFoundError if it does not wait."""
    found = shadow_of(serving.place, version, LATEST_IN_SHADOW)
    changed = [
        models.ShadowChange.model_validate({"decided": then, "in_shadow": tried, "payments": count})
        for (then, tried), count in sorted(found.changed.items())
    ]
    examples = [
        models.ShadowPayment.model_validate(
            {"transaction_id": one.transaction_id, "event_time": one.event_time.isoformat(), "decided": one.then,
             "in_shadow": one.tried, "hits": one.hits}
        )
        for one in found.examples
    ]  # fmt: skip
    trial = found.trial
    figures = [] if trial is None else [
        models.ShadowFigure(
            name=name, in_shadow=trial.tried[name], decided=trial.today[name], difference=one.value, low=one.low,
            high=one.high,
        )
        for name, one in trial.differences.items()
    ]  # fmt: skip
    since = "" if found.since is None else found.since.isoformat()
    return models.Shadow(
        version=version, since=since, payments=found.payments, changed=changed, examples=examples, figures=figures
    )


def as_signed(signed: policies.Signed) -> models.PolicySigned:
    """What a signature came to, as it is answered."""
    return models.PolicySigned(version=signed.version, in_force=signed.in_force, effect=signed.effect)
