"""What requests and answers look like: the OpenAPI document is made of these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_PAYMENTS = 500
MOST_EXAMPLES = 100
EXAMPLE_ID = "example-0001"

Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Amount = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,4})?$", max_length=17)]
Value = Annotated[str, StringConstraints(max_length=4096)] | int | float | bool | None


class Model(BaseModel):
    """A request or answer: no field but its own, no NaN and no infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Payment(Model):
    """A payment in the canonical layout. Account, device, source IP, e-mail and phone are kept as keyed hashes."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    transaction_id: Text = Field(description="Your id; a payment with the same id and content gets the same answer")
    event_time: Text = Field(description="ISO 8601; without an offset it is UTC")
    amount: Amount | None = Field(default=None, description="A decimal number as text: a JSON number would lose cents")
    currency: Annotated[str, StringConstraints(pattern="^[A-Za-z]{3}$")] | None = None
    account: Text | None = None
    merchant: Text | None = None
    device: Text | None = None
    source_ip: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    category: Text | None = None
    card_number: Text | None = Field(default=None, description="Only its first six and last four digits are kept")
    card_bin: Text | None = None
    evidence: dict[Text, Value] = Field(
        default_factory=dict, max_length=500, description="The mapping's own evidence, by its names"
    )


class ScoreRequest(Model):
    """Payments to score, all or none: if one cannot be read, none is scored."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "payments": [
                    {
                        "transaction_id": EXAMPLE_ID,
                        "event_time": "2026-04-05T10:00:00Z",
                        "amount": "129.90",
                        "currency": "EUR",
                        "account": "account-1",
                        "merchant": "merchant-1",
                        "category": "electronics",
                    }
                ]
            }
        },
    )

    payments: list[Payment] = Field(min_length=1, max_length=MOST_PAYMENTS)


class SourceRequest(Model):
    """Payments in the layout of the mapping's files: column -> value. Amounts are text here too."""

    layout: Literal["source"]
    payments: list[dict[Text, Value]] = Field(min_length=1, max_length=MOST_PAYMENTS)


class Reason(Model):
    """What a topic of the evidence adds to the payment's margin, and the words for it."""

    topic: str
    contribution: float
    words: str


class Precedent(Model):
    """A kept payment that is like this one."""

    reference_id: str | None = Field(description="null if its account was forgotten since")
    label: Literal["fraud", "good"]
    similarity: float = Field(description="Cosine")
    event_time: str | None
    amount: str | None
    currency: str | None
    merchant_id: str | None
    category: str | None


class Score(Model):
    """A score with its decision, why, and what it was made from."""

    transaction_id: str
    event_time: str
    amount: str | None
    currency: str | None
    decision: Literal["allow", "review", "block"]
    anomaly_signal: float = Field(ge=0, le=1, description="Higher is riskier")
    signal_kind: Literal["calibrated", "novelty"]
    novelty: float = Field(description="Share of unseen good payments that are less strange")
    fraud_similarity: float | None
    good_similarity: float | None
    margin: float
    usual_margin: float | None
    reasons: list[Reason] = Field(description="From review on; greatest contribution first")
    precedents: list[Precedent]
    missing_evidence: list[str] = Field(description="What the release reads and this payment does not have")
    without_history: str | None = Field(description="Why the entities' histories are not in it, if they are not")
    release_id: str
    overlay_seq: int
    policy_version: str | None = Field(default=None, description="The rule set in force; null without a policy")
    policy_hits: list[str] = Field(default=[], description="What the policy said, strongest first")
    scored_at: str


class ScoreAnswer(Model):
    """The scores, in the order of the payments."""

    release_id: str = Field(description="The release in use; a payment that was scored before keeps its own")
    scores: list[Score]
    ignored_fields: list[str] = Field(description="Fields that the release's mapping does not read")


class FeedbackRequest(Model):
    """What somebody says of a scored payment."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "transaction_id": EXAMPLE_ID,
                "verdict": "fraud",
                "by": "ada",
                "reason": "the card holder called",
            }
        },
    )

    transaction_id: Text
    verdict: Literal["fraud", "good", "unsure", "retracted"]
    by: Text = Field(description="Who says so; no customer's name")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Moved(Model):
    """A scored payment whose decision is another with a word of feedback."""

    transaction_id: str
    before: str
    after: str


class Effect(Model):
    """What a word of feedback does to the scores of other payments.

    `held`: it is kept as a label, and acts on no other payment, since it would change too many decisions.
    """

    state: Literal["acts", "held", "awaits_second_person", "none"]
    why: str
    overlay_seq: int = Field(description="Scores with at least this `overlay_seq` know of it, if it acts")
    checked: int = Field(description="So many of the payments scored last were looked at")
    allowed: int = Field(description="So many decisions one word may change")
    changed: int = Field(description="So many decisions are others with it")
    examples: list[Moved]


class Preview(Model):
    """What a word of feedback would do."""

    transaction_id: str
    effect: Effect


class Feedback(Model):
    """An entry of feedback; entries are never changed, a later one counts."""

    transaction_id: str
    verdict: str
    by: str
    reason: str
    sequence: int
    at: str
    effect: Effect | None = Field(default=None, description="What it does; only when it is given")


class Transaction(Model):
    """What was scored, when, by which release and why, and what people said of it."""

    score: Score
    payment: dict[str, Any] = Field(description="As it was read: identifiers are keyed hashes")
    evidence: dict[str, Any]
    feedback: list[Feedback]
    verdict: str | None = Field(description="What holds now")


class CurrentRelease(Model):
    """The release in use."""

    release_id: str
    mapping: str
    signal_kind: str
    review: float | None
    block: float | None
    trained_until: str | None
    references: int
    frauds: int
    overlay_seq: int = Field(description="The last change that feedback made to the references")
    overlay_references: int = Field(description="References that feedback added")


class Health(Model):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(Model):
    """Whether each store answers: null, or why not."""

    ready: bool
    stores: dict[str, str | None]


class FaultDetail(Model):
    """What is wrong with one payment or field."""

    where: str
    reason: str
    message: str


class Problem(Model):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FaultDetail] = []
