"""The smoke test against a loopback service, and an execution's report against a stand-in for SageMaker and S3."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.deploy import execute as executing
from infra.deploy.place import DeployError, Place
from infra.deploy.smoke import smoke_test
from infra.environments import DEV


class Answers(ThreadingHTTPServer):
    """A service with a list of states to answer with; it keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes: list[int] = []
        self.asked: list[tuple[str, str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self._answer({"status": "ok"})

    def do_POST(self) -> None:
        self._answer({"scores": [{"anomaly_signal": 0.5, "release_id": "r1"}]})

    def _answer(self, content: dict[str, Any]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.path, self.headers.get("Authorization", ""), body))
        self.send_response(self.server.codes.pop(0) if self.server.codes else 200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def service() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Near(Place):
    """A place whose service is on this machine."""

    def output(self, stack: str, name: str) -> str:
        return self.context[f"{stack}.{name}"]


def _near(service: Answers) -> Near:
    return Near(DEV, {"scoring.Address": f"http://127.0.0.1:{service.server_address[1]}"})


@pytest.mark.usefixtures("aws")
def test_the_smoke_test_scores_one_signed_payment_and_waits_for_the_gateway(service: Answers) -> None:
    service.codes, waited = [503, 200, 503], list[float]()
    smoke_test(_near(service), pause=waited.append)
    assert waited == [5, 5]
    assert [path for path, *_ in service.asked] == ["/healthz", "/healthz", "/v1/score", "/healthz", "/v1/score"]
    assert all(signed.startswith("AWS4-HMAC-SHA256") for _, signed, _ in service.asked)
    [payment] = json.loads(service.asked[-1][2])["payments"]
    assert payment["transaction_id"].startswith("smoke-test-")


@pytest.mark.usefixtures("aws")
def test_a_service_that_stays_away_fails_the_smoke_test(service: Answers) -> None:
    service.codes, waited = [500] * 6, list[float]()
    with pytest.raises(DeployError, match="/healthz answered 500"):
        smoke_test(_near(service), pause=waited.append)
    assert len(waited) == 5


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("state", "code"), [("Succeeded", 0), ("Failed", 1)])
def test_an_execution_s_verdict_is_on_the_job_s_page(state: str, code: int) -> None:
    place = Place(DEV)
    bucket = f"counterfoil-dev-lake-{place.client('sts').get_caller_identity()['Account']}-{DEV.region}"
    s3 = place.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": DEV.region})
    s3.put_object(Bucket=bucket, Key="executions/e1/gate/verdict/verdict.json", Body=b'{"passed": true}')
    assert executing.figures(place, "training", "e2") is None
    ended = {"PipelineExecutionStatus": state, "FailureReason": "no memory" if code else ""}
    steps = [{"StepName": "gate", "StepStatus": state}]
    text = executing.summary("training", ended, steps, executing.figures(place, "training", "e1"))
    assert text.startswith(f"## training: {state}\n")
    assert f"| gate | {state} |  |" in text
    assert '"passed": true' in text
    assert ("> no memory" in text) == bool(code)


def test_wrong_usage_of_execute_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert executing.main(["training", "--environment", "test"]) == 2
    assert "environment is 'test': there are dev, prod" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        executing.main(["neither", "--environment", "dev"])
    assert ended.value.code == 2
