"""What every AlertSink must do."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from counterfoil.adapters.aws.alerts import SnsAlerts
from counterfoil.adapters.memory.alerts import ListedAlerts
from counterfoil.adapters.webhook.alerts import SIGNATURE, WebhookAlerts
from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.service import Alert, AlertSink
from counterfoil.steps.scoring.alerts import AlertDesk

ALERT = Alert("t1", "a1", "block", 0.987, {"transaction_id": "t1", "reasons": ["é"], "amount": "1.10"})


class Receiver(ThreadingHTTPServer):
    """Somebody else's server: what it was sent, and with which status it answers the next requests (200 after them)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.got: list[tuple[str, Any, bytes]] = []
        self.answers: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/s3cret?of=desk"


class Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.got.append((self.path, self.headers, body))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture(params=["memory", "webhook", "sns"])
def sink(request: pytest.FixtureRequest) -> tuple[AlertSink, Callable[[], list[dict[str, Any]]]]:
    """Return a sink and a function that tells what arrived."""
    if request.param == "memory":
        listed = ListedAlerts()
        return listed, lambda: [dict(alert.content) for alert in listed.sent]
    if request.param == "webhook":
        server = request.getfixturevalue("receiver")
        return WebhookAlerts(server.address), lambda: [json.loads(body) for _, _, body in server.got]
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


def test_a_webhook_can_tell_who_posts(receiver: Receiver) -> None:
    WebhookAlerts(receiver.address, "shared by us two").send(ALERT)
    [(path, headers, body)] = receiver.got
    assert path == "/hooks/s3cret?of=desk"
    assert headers["Content-Type"] == "application/json"
    signed = hmac.new(b"shared by us two", body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"sha256={signed}"


class OneAlert:
    """A log with one alert on its way."""

    def __init__(self) -> None:
        self.waiting = [ALERT]

    def promote(self, *_: Any) -> int:
        return 0

    def reached(self, *_: Any) -> list[float]:
        return []

    def pending(self, *_: Any) -> list[Alert]:
        return list(self.waiting)

    def unclaim(self, *_: Any) -> None:
        assert self.waiting

    def mark_sent(self, *_: Any) -> None:
        self.waiting = []


class NoScores:
    def alarming(self, *_: Any) -> list[Any]:
        return []


def test_an_alert_that_a_webhook_did_not_take_is_sent_again_until_it_does(receiver: Receiver) -> None:
    receiver.answers = [503, 302, 429]  # a redirect is no delivery: it would carry the alert elsewhere
    log, sink = OneAlert(), WebhookAlerts(receiver.address)
    desk = AlertDesk(NoScores(), log, sink, 5, timedelta(hours=1), lambda: datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
    for status in (503, 302, 429):
        with pytest.raises(StoreUnavailableError, match=rf"127\.0\.0\.1 took none \(it answered {status}\)"):
            desk.work()
    assert [desk.work(), desk.work()] == [1, 0]
    assert len(receiver.got) == 1


def test_a_webhook_that_is_gone_is_named_by_its_host_alone() -> None:
    with receiving() as server:
        address = server.address
    for ask in (WebhookAlerts(address).ping, lambda: WebhookAlerts(address).send(ALERT)):
        with pytest.raises(StoreUnavailableError, match=r"webhook of alerts at 127\.0\.0\.1") as told:
            ask()
        assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    "address", ["http://hooks.example.com/x", "ftp://h/x", "https://", "https://u:p@h/x", "https://h:99999/x", "hooks"]
)
def test_an_address_that_would_carry_alerts_in_clear_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="COUNTERFOIL_ALERTS_WEBHOOK"):
        WebhookAlerts(address)
