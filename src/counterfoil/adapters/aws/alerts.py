"""Alerts to an SNS topic."""

import json
from contextlib import AbstractContextManager

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.ports.service import Alert

MOST_SUBJECT = 100
"""SNS takes no longer subject."""


class SnsAlerts:
    """An AlertSink that publishes to the topic of an ARN; subscriptions may filter by `decision`."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        # An ARN names its region: arn:aws:sns:eu-central-1:123456789012:alerts.
        parts = topic.split(":")
        self._client = aws_client("sns", parts[3] if len(parts) > 5 else None)

    def send(self, alert: Alert) -> None:
        """Deliver one alert. Raises StoreUnavailableError; sending again after that may deliver it twice."""
        with self._reported():
            self._client.publish(
                TopicArn=self._topic,
                Subject=f"Counterfoil: {alert.decision}, signal {alert.signal:.2f}"[:MOST_SUBJECT],
                Message=json.dumps(dict(alert.content), ensure_ascii=False),
                MessageAttributes={"decision": {"DataType": "String", "StringValue": alert.decision}},
            )

    def ping(self) -> None:
        """Raise StoreUnavailableError if the sink does not answer."""
        with self._reported():
            self._client.get_topic_attributes(TopicArn=self._topic)

    def _reported(self) -> AbstractContextManager[None]:
        return aws_reported(
            f"the topic of alerts {self._topic!r}", missing="there is no such topic: correct COUNTERFOIL_ALERTS_TOPIC"
        )
