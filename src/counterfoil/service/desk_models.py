"""What requests and answers of the analyst's desk look like: cases and policies."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from counterfoil.service.models import Model, Text

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
RULES_BYTES = 1 << 20


class Signed(Model):
    """What somebody does at the desk, and why."""

    reason: Words
    by: Name | None = Field(default=None, description="Who; with tokens it is the token's holder, whatever stands here")


class CaseHead(Model):
    """The alerts of one account that are looked at together."""

    case_id: str
    account_id: str | None = Field(description="A keyed hash")
    state: Literal["open", "closed"]
    outcome: Literal["fraud", "good", "unsure"] | None
    assignee: str | None
    alerts: int
    expected_loss: float = Field(description="Sum of signal times amount, in the payments' currency")
    due: str
    opened_at: str
    closed_at: str | None
    accounts: int = Field(
        default=1, description="Of a ring of linked accounts: how many; their alerts are counted here"
    )
    ring: str | None = Field(default=None, description="The case that leads the ring that this one is in")


class CaseQueue(Model):
    """Cases, greatest expected loss first."""

    cases: list[CaseHead]


class CasePayment(Model):
    """A payment of a case; `shared` is what a related one has in common with an alert."""

    transaction_id: str
    account_id: str | None
    event_time: str
    decision: Literal["allow", "review", "block"]
    signal: float
    amount: str | None
    currency: str | None
    release_id: str | None = None
    policy_version: str | None = None
    shared: tuple[Literal["merchant", "source_ip", "device"], ...] = ()
    case_id: str | None = Field(default=None, description="The open case that a related payment stands in")


class CaseNote(Model):
    """What somebody said of a case, or did with it."""

    at: str
    said_by: str
    what: str
    words: str


class Case(Model):
    """A case with its alerts, what was said of it, and payments that share something with it."""

    case: CaseHead
    alerts: list[CasePayment]
    notes: list[CaseNote]
    related: list[CasePayment] = Field(
        description="Scored payments that share a merchant, source IP or device with an alert within a day of it"
    )


class Assignment(Model):
    """Who is to work on a case."""

    to: Name
    by: Name | None = None


class Linking(Signed):
    """Which case an open case is to be worked on with."""

    case: Annotated[str, StringConstraints(pattern="^c[0-9a-f]{12}$")]


class NewNote(Model):
    """What is to be kept of a case."""

    words: Words
    by: Name | None = None


class Closing(Signed):
    """What a case turned out to be."""

    outcome: Literal["fraud", "good", "unsure"]


class ClosedCase(Model):
    """A closed case, and what became of its outcome."""

    case: CaseHead
    said: int = Field(description="Payments that the service scored: the outcome is feedback on each of them")
    labels: int = Field(description="Payments of batches: the outcome stands in the table `labels` for each of them")


class SnoozeCase(Signed):
    """For how long a case's account is not reviewed; its payments can still be blocked."""

    days: Annotated[int, Field(ge=1, le=366)] = 7


class Snooze(SnoozeCase):
    """The same of an account or merchant by its name, as payments have it."""

    entity: Literal["account", "merchant"]
    value: Text


class Snoozed(Model):
    """The last day (UTC) on which it is not reviewed."""

    until: str


class Proposal(Signed):
    """A rule set, as its file has it."""

    rules: Annotated[str, StringConstraints(min_length=1, max_length=RULES_BYTES)]


class Waiting(Model):
    """A proposal that waits for a second person."""

    version: str
    name: str
    maker: str
    reason: str
    at: str
    rules: str = Field(description="The rule set, as its file has it: what a second person signs")


class ListState(Model):
    """A list, and how many of its entries count."""

    name: str
    effect: str
    entity: str
    active: int
    over: int
    next_end: str | None


class Policy(Model):
    """What decides beside the release's thresholds."""

    in_force: str | None = Field(description="The rule set's version; null: thresholds and lists alone")
    rules: str | None = Field(description="The rule set in force, as its file has it")
    waiting: list[Waiting]
    lists: list[ListState]


class PolicySigned(Model):
    """What a signature came to."""

    version: str
    in_force: str | None
    effect: bool = Field(description="False: it waits for a second person, or somebody else was faster")


class ShadowPayment(Model):
    """A payment that a proposal would have decided otherwise."""

    transaction_id: str
    event_time: str
    decided: Literal["allow", "review", "block"]
    in_shadow: Literal["allow", "review", "block"]
    hits: tuple[str, ...] = Field(description="What speaks for it, strongest first")


class ShadowChange(Model):
    """How many payments would have been decided so otherwise."""

    decided: Literal["allow", "review", "block"]
    in_shadow: Literal["allow", "review", "block"]
    payments: int


class ShadowFigure(Model):
    """A figure of the proposal, of what was decided, and their difference with its 95 % interval by account."""

    name: str
    in_shadow: float | None
    decided: float | None
    difference: float | None
    low: float | None
    high: float | None


class Shadow(Model):
    """What a proposal would have decided since it was proposed, beside what was decided; nothing follows from it."""

    version: str
    since: str
    payments: int = Field(description="So many of the payments scored last were looked at")
    changed: list[ShadowChange]
    examples: list[ShadowPayment] = Field(description="The last ones, newest first")
    figures: list[ShadowFigure]
