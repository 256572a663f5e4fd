"""The options of the pipelines' steps, each declared once; those of the gate are `domain.evaluation.gate.GateRules`.

Days are midnights in UTC, and both ends of a span are included; None is without end.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from counterfoil.domain.options import Kind, option
from counterfoil.domain.periods import LABEL_DELAY_DAYS, Period
from counterfoil.domain.policy.desk_words import IN_FORCE
from counterfoil.domain.release.aliases import CHALLENGER, CHAMPION
from counterfoil.errors import UsageError

MAPPING = "Source mapping of the raw files: a shipped one's name"
LABEL_DELAY_MEANING = "Days until a payment's label can be trusted"
RELEASE = "Release that scores: id or alias"
POLICY = f"Policy that decides: '{IN_FORCE}', a version that two people signed; '-': the release's thresholds alone"
FAILED_FILES = "'true': files that cannot be collected do not fail the execution"


def period_of_days(since: datetime | None, until: datetime | None) -> Period:
    """Days with both ends included, as a half-open span. Raises UsageError where they are reversed."""
    if since is not None and until is not None and until < since:
        raise UsageError(f"the span ends on {until:%Y-%m-%d}, before it begins on {since:%Y-%m-%d}: swap the two days")
    endless = until is None or until.date() == date.max  # which has no next day
    return Period(since, None if until is None or endless else until + timedelta(days=1))


@dataclass(frozen=True, kw_only=True)
class CurateOptions:
    """How the new payments were read, and when their labels count."""

    mapping: str = option(MAPPING)
    label_delay_days: float = option(LABEL_DELAY_MEANING, Kind.NUMBER, default=LABEL_DELAY_DAYS)


@dataclass(frozen=True, kw_only=True)
class FeaturesOptions:
    """Which payments get evidence."""

    mapping: str = option(MAPPING)
    label_delay_days: float = option(LABEL_DELAY_MEANING, Kind.NUMBER, default=LABEL_DELAY_DAYS)
    since: datetime | None = option("First day that gets evidence; '-': from the beginning", Kind.DAY, default=None)
    until: datetime | None = option("Last day that gets evidence; '-': to the end", Kind.DAY, default=None)
    scope: str = option("'new' (payments that were just collected) or 'all'", Kind.SCOPE, default="all")

    @property
    def period(self) -> Period:
        """The days that get evidence. Raises UsageError."""
        return period_of_days(self.since, self.until)

    @property
    def only_new(self) -> bool:
        """Whether only payments that were just collected get evidence: a span that is given counts more."""
        return self.scope == "new" and self.period == Period()

    @property
    def label_delay(self) -> timedelta:
        """How long after a payment its label can be trusted."""
        return timedelta(days=self.label_delay_days)


@dataclass(frozen=True, kw_only=True)
class CollectOptions(FeaturesOptions):
    """Which raw files, how they are read, and which payments get evidence: later steps get the history of these."""

    input_version: str = option("Digest of the raw files and of what others brought into the lake: pins the step cache")


@dataclass(frozen=True, kw_only=True)
class SparkFeaturesOptions(FeaturesOptions):
    """The same, and where a cluster finds and leaves tables; '-' for the folder of the channel."""

    lake_uri: str | None = option("The published table of payments", default=None, optional=True)
    transactions_uri: str | None = option("The payments that were just collected", default=None, optional=True)
    labels_uri: str | None = option("The published table of labels", default=None, optional=True)
    new_labels_uri: str | None = option("The labels that were just collected", default=None, optional=True)
    evidence_uri: str | None = option("Where evidence is written", default=None, optional=True)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Which payments train a release, and which of their labels count."""

    mapping: str = option(MAPPING)
    since: datetime | None = option("First day to train on; '-': from the beginning", Kind.DAY, default=None)
    until: datetime | None = option("Last day to train on; '-': to the end", Kind.DAY, default=None)
    known_until: datetime | None = option("Use labels known by this midnight; '-': all", Kind.DAY, default=None)
    label_delay_days: float = option(LABEL_DELAY_MEANING, Kind.NUMBER, default=LABEL_DELAY_DAYS)

    @property
    def period(self) -> Period:
        """The days to train on. Raises UsageError, also where no label of theirs was known yet."""
        if self.since is not None and self.known_until is not None and self.known_until <= self.since:
            since, known = f"{self.since:%Y-%m-%d}", f"{self.known_until:%Y-%m-%d}"
            raise UsageError(f"no label of a payment from {since} on was known by {known}")
        return period_of_days(self.since, self.until)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Which days a candidate is judged on, and against which release."""

    since: datetime | None = option(
        "First day to judge the candidate on; only labels known by then train it", Kind.DAY, default=None
    )
    until: datetime | None = option("Last day to judge the candidate on; '-': to the end", Kind.DAY, default=None)
    champion: str | None = option(
        "Release that the candidate is compared with: id or alias; '-': none", default=None, optional=True
    )

    @property
    def period(self) -> Period:
        """The days to judge on. Raises UsageError."""
        return period_of_days(self.since, self.until)


@dataclass(frozen=True, kw_only=True)
class RegisterOptions:
    """What becomes of a candidate that may be registered."""

    alias: str | None = option("Alias that the registered release gets", Kind.PLACE, default=CHALLENGER, optional=True)


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """Which release scores, and which policy decides."""

    release: str = option(RELEASE, default=CHAMPION)
    policy: str | None = option(POLICY, default=IN_FORCE, optional=True)


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """Whether the step fails, once its work is done, for files that could not be collected."""

    allow_failed_files: bool = option(FAILED_FILES, Kind.SWITCH, default=True)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Whose scores are summed up, and whether files that could not be collected fail the execution."""

    release: str = option(RELEASE, default=CHAMPION)
    allow_failed_files: bool = option(FAILED_FILES, Kind.SWITCH, default=True)


@dataclass(frozen=True, kw_only=True)
class InsightsOptions:
    """Which notebook shows what was scored."""

    notebook: str | None = option(
        "Notebook that writes the insight report, such as 04_insight_report; '-': none", default=None, optional=True
    )
