"""What every AlertSink must do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from counterfoil.adapters.aws.alerts import SnsAlerts
from counterfoil.adapters.memory.alerts import ListedAlerts
from counterfoil.errors import StoreUnavailableError
from counterfoil.ports.service import Alert, AlertSink

ALERT = Alert("t1", "a1", "block", 0.987, {"transaction_id": "t1", "reasons": ["é"], "amount": "1.10"})


@pytest.fixture(params=["memory", "sns"])
def sink(request: pytest.FixtureRequest) -> tuple[AlertSink, Callable[[], list[dict[str, Any]]]]:
    """Return a sink and a function that tells what arrived."""
    if request.param == "memory":
        listed = ListedAlerts()
        return listed, lambda: [dict(alert.content) for alert in listed.sent]
    import boto3

    url = request.getfixturevalue("aws")
    topic = boto3.client("sns", endpoint_url=url).create_topic(Name="alerts")["TopicArn"]
    sqs = boto3.client("sqs", endpoint_url=url)
    queue = sqs.create_queue(QueueName="team")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns", endpoint_url=url).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def arrived() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in found]

    return SnsAlerts(topic), arrived


def test_an_alert_arrives_as_it_was_sent(sink: tuple[AlertSink, Callable[[], list[dict[str, Any]]]]) -> None:
    out, arrived = sink
    out.ping()
    assert arrived() == []
    out.send(ALERT)
    assert arrived() == [dict(ALERT.content)]


@pytest.mark.usefixtures("aws")
def test_a_topic_that_is_not_there_says_so() -> None:
    gone = SnsAlerts("arn:aws:sns:eu-central-1:123456789012:nowhere")
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        gone.ping()
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        gone.send(ALERT)
