"""The stream and its alerts as others use them: with boto3 and the AWS CLI."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import START, own_release

pytestmark = [pytest.mark.xdist_group("service"), pytest.mark.usefixtures("aws")]
CLI = shutil.which("aws")


@pytest.fixture
def stream() -> Iterator[Any]:
    """Return boto3's client of Kinesis; it has a stream `payments`."""
    import boto3

    client = boto3.client("kinesis")
    client.create_stream(StreamName="payments", ShardCount=1)
    yield client
    client.close()


@pytest.fixture
def inbox() -> tuple[str, str]:
    """Return the ARN of a topic and the URL of a queue that gets its messages as they are."""
    import boto3

    notices, queues = boto3.client("sns"), boto3.client("sqs")
    topic = notices.create_topic(Name="alerts")["TopicArn"]
    queue = queues.create_queue(QueueName="reviewers")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    notices.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return topic, queue


def payment(name: str) -> str:
    return json.dumps({
        "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "990.00", "currency": "EUR",
        "account": f"of {name}", "merchant": "Harbour Gift Cards", "category": "gift cards",
    })  # fmt: skip


def by_cli(*words: str) -> Any:
    """Return what the AWS CLI answers. A URL is given in JSON: the CLI's version 1 would read what is there."""
    assert CLI is not None
    command = [CLI, *words, "--output", "json", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
    environment = {**os.environ, "AWS_PAGER": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(CLI is None, reason="the AWS CLI is not installed (pip install awscli)")
def test_boto3_and_the_aws_cli_put_payments_and_read_alerts(
    scoring_place: Any, stream: Any, inbox: tuple[str, str], tmp_path: Path
) -> None:
    import boto3

    topic, queue = inbox
    stream.put_record(StreamName="payments", PartitionKey="boto", Data=payment("aws-boto3"))
    data = tmp_path / "payment.json"
    data.write_text(payment("aws-cli"), encoding="utf-8")
    put = by_cli(
        "kinesis", "put-record", "--stream-name", "payments", "--partition-key", "cli", "--data", f"fileb://{data}"
    )
    assert put["SequenceNumber"]
    settings = {
        "COUNTERFOIL_SERVICE_RELEASE": own_release(scoring_place, block=0.0), "COUNTERFOIL_ALERTS_TOPIC": topic,
        "COUNTERFOIL_PAYMENTS_STREAM": "payments", "COUNTERFOIL_ALERTS_PER_DAY": "100000",
    }  # fmt: skip
    watcher = subprocess.Popen(
        [sys.executable, "-c", START, "watch"], env=scoring_place.environment | settings,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert watcher.stdout is not None
        scored = [json.loads(watcher.stdout.readline()) for _ in range(2)]
    finally:
        watcher.send_signal(signal.SIGTERM)
        _, said = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, said
    assert {score["transaction_id"] for score in scored} == {"aws-boto3", "aws-cli"}
    first = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"]
    second = by_cli("sqs", "receive-message", "--cli-input-json", json.dumps({"QueueUrl": queue}))["Messages"]
    alerts = [json.loads(message["Body"]) for message in (*first, *second)]
    assert {alert["transaction_id"] for alert in alerts} == {"aws-boto3", "aws-cli"}
    assert all(alert["decision"] == "block" and alert["precedents"] for alert in alerts)
    assert "of aws-" not in json.dumps(alerts), "an alert shows no account as the payment has it"
