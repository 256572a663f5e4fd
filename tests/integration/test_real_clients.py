"""Clients that others wrote put payments on the stream and read the alerts: boto3, and AWS's command line."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from counterfoil.adapters.aws.payments import KinesisPayments
from counterfoil.domain.policy.thresholds import Thresholds
from counterfoil.service.watch import watch
from counterfoil.steps.releases.registration import Candidate, load_release, register_candidate

pytestmark = pytest.mark.xdist_group("service")


@dataclass
class Boto3:
    """The client for Python."""

    url: str
    name: str = "boto3"

    def put(self, stream: str, data: Path, key: str) -> None:
        import boto3

        client = boto3.client("kinesis", endpoint_url=self.url)
        client.put_record(StreamName=stream, Data=data.read_bytes(), PartitionKey=key)

    def received(self, queue: str) -> list[str]:
        import boto3

        client = boto3.client("sqs", endpoint_url=self.url)
        answer = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)
        return [found["Body"] for found in answer["Messages"]]


@dataclass
class CommandLine:
    """`aws`, a process of its own."""

    program: str
    url: str
    name: str = "aws"

    def put(self, stream: str, data: Path, key: str) -> None:
        self._run("kinesis", "put-record", "--stream-name", stream, "--partition-key", key, "--data", f"fileb://{data}")

    def received(self, queue: str) -> list[str]:
        answer = self._run("sqs", "receive-message", "--queue-url", queue, "--wait-time-seconds", "10")
        return [found["Body"] for found in answer["Messages"]]

    def _run(self, *arguments: str) -> dict[str, Any]:
        command = [self.program, *arguments, "--output", "json", "--endpoint-url", self.url]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"AWS_PAGER": ""}
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def release_id(scoring_place: Any) -> str:
    """A release that has every payment reviewed, so that each is an alert."""
    here = scoring_place.open()
    release = load_release(here.registry, scoring_place.release_id)
    own = replace(release, thresholds=Thresholds(review=0.0, block=0.999_999))
    register_candidate(Candidate(own, here.references.read_base(release.release_id)), here.references, here.registry)
    return str(own.release_id)


@pytest.fixture(params=[Boto3, CommandLine])
def client(request: pytest.FixtureRequest, aws: str) -> Boto3 | CommandLine:
    if request.param is Boto3:
        return Boto3(aws)
    program = shutil.which("aws")
    if program is None:
        pytest.skip("AWS's command line is not on this machine: pip install awscli")
    return CommandLine(program, aws)


@pytest.fixture
def watched(scoring_place: Any, release_id: str) -> Iterator[Callable[[str, str], Any]]:
    """Return what watches a stream until it is idle, and sends its alerts to a topic."""
    config = structlog.get_config()

    def run(stream: str, topic: str) -> Any:
        place = scoring_place.open(
            service_release=release_id, alerts_topic=topic, alerts_per_day=1_000_000,
            service_profile_deadline_ms=20_000,
        )  # fmt: skip
        found: list[Any] = []
        payments = KinesisPayments(stream, until_idle=True)
        # In a thread: only the main one may take signals, and pytest has it.
        thread = threading.Thread(target=lambda: found.append(watch(place, stream, payments, source_layout=False)))
        thread.start()
        thread.join(120)
        return found[0]

    yield run
    structlog.configure(**config)


def test_a_payment_of_a_real_client_is_an_alert_that_it_reads(
    client: Boto3 | CommandLine, aws: str, scoring_place: Any, watched: Callable[[str, str], Any], tmp_path: Path
) -> None:
    import boto3

    scoring_place.open(alerts_per_day=1_000_000).alert_desk(lambda _: None).work()  # those of other tests
    stream, name = f"real-{client.name}", f"real-client-{client.name}"
    kinesis = boto3.client("kinesis", endpoint_url=aws)
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    topic = boto3.client("sns", endpoint_url=aws).create_topic(Name=stream)["TopicArn"]
    sqs = boto3.client("sqs", endpoint_url=aws)
    queue = sqs.create_queue(QueueName=stream)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns", endpoint_url=aws).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    payment = {
        "transaction_id": name, "event_time": "2024-02-13T03:00:00Z", "amount": "5.00", "account": f"of {name}",
    }  # fmt: skip
    data = tmp_path / "payment.json"
    data.write_text(json.dumps(payment))
    client.put(stream, data, "key")
    done = watched(stream, topic)
    assert (done.records, done.scored, done.buried) == (1, 1, 0)
    alerts = [json.loads(json.loads(body)["Message"]) for body in client.received(queue)]
    [alert] = [one for one in alerts if one["transaction_id"] == name]
    assert (alert["decision"], alert["amount"]) == ("review", "5.00")
    assert alert["precedents"] or alert["reasons"]
    assert payment["account"] not in json.dumps(alert)
