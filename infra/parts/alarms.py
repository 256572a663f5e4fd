"""What wakes somebody: each alarm with what to do (infra/README.md, runbook)."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.parts.scoring_rights import NAMESPACE

Comparison = cloudwatch.ComparisonOperator
Missing = cloudwatch.TreatMissingData


@dataclass(frozen=True)
class Watched:
    """A metric and the value from which it is an alarm, for `periods` periods of `minutes` running."""

    name: str
    meaning: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    threshold: float
    minutes: int = 5
    periods: int = 3
    below: bool = False
    missing: Missing = Missing.NOT_BREACHING
    of_stream: bool = False


@dataclass(frozen=True)
class Watchables:
    """Names of what is watched."""

    api_id: str
    cluster: str
    scoring: str
    watch: str
    stream: str
    buried: str
    missed: str
    database: str
    canary: str
    metrics: str


def watched(names: Watchables) -> tuple[Watched, ...]:
    """All that is watched."""
    api = {"ApiId": names.api_id}
    stream, database = {"StreamName": names.stream}, {"DBInstanceIdentifier": names.database}
    gib = 1024**3
    return (
        Watched("latency", "one answer in a hundred takes over 300 ms", "AWS/ApiGateway", "Latency", api, "p99", 300),
        Watched("errors", "the service answers with errors", "AWS/ApiGateway", "5xx", api, "Sum", 5),
        Watched(
            "unreachable", "the canary cannot reach the service", "CloudWatchSynthetics", "SuccessPercent",
            {"CanaryName": names.canary}, "Average", 90, below=True,
        ),
        Watched(
            "lag", "the watch is behind the stream", "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", stream,
            "Maximum", 60_000, of_stream=True,
        ),
        Watched(
            "no-data", "no payment has come for an hour", "AWS/Kinesis", "IncomingRecords", stream, "Sum", 1,
            minutes=60, periods=1, below=True, missing=Missing.BREACHING, of_stream=True,
        ),
        Watched(
            "unreadable", "records of the stream are no payments", NAMESPACE, names.buried, {}, "Sum", 1, periods=1,
            of_stream=True,
        ),
        Watched(
            "missed-start", "a pipeline could not be started", "AWS/SQS", "ApproximateNumberOfMessagesVisible",
            {"QueueName": names.missed}, "Maximum", 1, periods=1,
        ),
        # A single high figure of the last 2,000 payments may be an unusual hour's: it must stay for one.
        Watched(
            "drift", "payments have moved much from the release's training", names.metrics, "LargestDrift",
            {"Service": "scoring"}, "Average", 0.25, periods=12,
        ),
        Watched("database-load", "the database is at its limit", "AWS/RDS", "CPUUtilization", database, "Average", 85),
        Watched(
            "database-space", "the database has less than 10 GiB left", "AWS/RDS", "FreeStorageSpace", database,
            "Minimum", 10 * gib, below=True,
        ),
        Watched(
            "scoring-memory", "tasks are short of memory", "AWS/ECS", "MemoryUtilization",
            {"ClusterName": names.cluster, "ServiceName": names.scoring}, "Maximum", 90,
        ),
    )  # fmt: skip


class Alarms(Construct):
    """The alarms, each also when it ends. A stream that nobody watches alarms nobody: it may well be empty."""

    def __init__(
        self, scope: Construct, id: str, prefix: str, names: Watchables, topic: sns.ITopic, *, streams: bool
    ) -> None:
        super().__init__(scope, id)
        wanted = [one for one in watched(names) if streams or not one.of_stream]
        self.by_name = {one.name: self._alarm(one, prefix, topic) for one in wanted}

    def _alarm(self, one: Watched, prefix: str, topic: sns.ITopic) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace=one.namespace, metric_name=one.metric, dimensions_map=dict(one.dimensions),
            statistic=one.statistic, period=Duration.minutes(one.minutes),
        )  # fmt: skip
        below, above = Comparison.LESS_THAN_THRESHOLD, Comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        alarm = cloudwatch.Alarm(
            self, one.name,
            alarm_name=f"{prefix}-{one.name}",
            alarm_description=f"{one.meaning}; see infra/README.md, 'Runbook', {one.name}",
            metric=metric, threshold=one.threshold, evaluation_periods=one.periods,
            comparison_operator=below if one.below else above, treat_missing_data=one.missing,
        )  # fmt: skip
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))
        return alarm
