"""The smoke test against a loopback service; an execution from its start to its report against a stand-in for AWS."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from counterfoil.errors import UsageError
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


@pytest.fixture
def started(aws: str) -> Near:
    """A place with the task that starts pipelines, and the training pipeline."""
    assert aws
    place = Near(
        DEV, {"training.Errands": json.dumps({"start": "counterfoil-dev-start", "subnets": [], "group": "sg"})}
    )
    container = {"name": "start", "image": "counterfoil-detector", "memory": 512}
    place.client("ecs").create_cluster(clusterName=place.prefix)
    place.client("ecs").register_task_definition(family="counterfoil-dev-start", containerDefinitions=[container])
    place.client("sagemaker").create_pipeline(
        PipelineName="counterfoil-dev-training", PipelineDefinition="{}", ClientRequestToken="x" * 32,
        RoleArn="arn:aws:iam::123456789012:role/later/counterfoil-dev-pipelines",
    )  # fmt: skip
    return place


def test_a_pipeline_is_started_by_the_task_and_found(started: Near) -> None:
    begun: list[str] = []

    def meanwhile(_: float) -> None:
        if not begun:  # moto runs no container: this is what the task would do
            answer = started.client("sagemaker").start_pipeline_execution(
                PipelineName="counterfoil-dev-training", ClientRequestToken="y" * 32
            )
            begun.append(answer["PipelineExecutionArn"])

    assert executing.start(started, "training", ["Since=2024-01-01", "Note=it's"], pause=meanwhile) == begun[0]
    ecs = started.client("ecs")
    arns = ecs.list_tasks(cluster=started.prefix, desiredStatus="STOPPED")["taskArns"]
    arns += ecs.list_tasks(cluster=started.prefix)["taskArns"]
    [task] = ecs.describe_tasks(cluster=started.prefix, tasks=arns)["tasks"]
    [override] = task["overrides"]["containerOverrides"]
    assert override["command"] == ["exec counterfoil pipeline start training -p Since=2024-01-01 -p 'Note=it'\"'\"'s'"]


def test_a_task_that_starts_nothing_is_told_with_its_log(started: Near) -> None:
    with pytest.raises(DeployError, match=r"no execution of counterfoil-dev-training was started: .*-dev/start"):
        executing.start(started, "training", [], pause=lambda _: None)


class Executions:
    """What SageMaker says of one execution: a state after the other, the last one again and again."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def describe_pipeline_execution(self, **_: str) -> Mapping[str, str]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"PipelineExecutionStatus": state}

    def get_paginator(self, _: str) -> "Executions":
        return self

    def paginate(self, **_: str) -> Sequence[Mapping[str, Any]]:
        return [{"PipelineExecutionSteps": [{"StepName": name, "StepStatus": self.states[0]}]} for name in "ab"]


class Watched(Near):
    """A place whose SageMaker tells of one execution: moto's have ended as soon as they begin."""

    def client(self, service: str) -> Any:
        return self.context["sagemaker"] if service == "sagemaker" else super().client(service)


def test_the_end_of_an_execution_is_waited_for() -> None:
    pauses: list[float] = []
    running: Any = Executions("Executing", "Executing", "Stopped")
    ended = executing.wait(Watched(DEV, {"sagemaker": running}), "arn:e1", 3600, pauses.append)
    assert ended["PipelineExecutionStatus"] == "Stopped"
    assert pauses == [30, 30]


def test_an_execution_that_takes_too_long_goes_on_and_is_named() -> None:
    pauses: list[float] = []
    endless: Any = Executions("Executing")
    with pytest.raises(DeployError, match=r"execution arn:e1 has not ended in 0\.5 hours; it goes on"):
        executing.wait(Watched(DEV, {"sagemaker": endless}), "arn:e1", 1800, pauses.append)
    assert 1800 <= sum(pauses) <= 1830


@pytest.mark.usefixtures("aws")
def test_a_failed_execution_fails_the_job_after_its_page_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setattr(executing, "start", lambda *_: "arn:aws:sagemaker:eu-west-1:1:pipeline/p/execution/e1")
    monkeypatch.setattr(executing, "figures", lambda *_: {"passed": False})
    failed: Any = Executions("Failed")
    with pytest.raises(DeployError, match="execution e1 of training ended as Failed"):
        executing.execute(Watched(DEV, {"sagemaker": failed}), "training", [], 1)
    written = page.read_text()
    assert written.startswith("## training: Failed\n")
    assert "| b | Failed |  |" in written
    assert '"passed": false' in written
    assert written in capsys.readouterr().out


def test_parameters_come_one_by_one_or_in_one_text() -> None:
    assert executing.read_parameters(["A=1"], "B=2 C=x=y") == ["A=1", "B=2", "C=x=y"]
    assert executing.read_parameters([], "A=1\n Note=two words \n") == ["A=1", "Note=two words"]
    assert executing.read_parameters([], " ") == []
    for wrong in ("Mapping", "=x", "A=", "$(id)"):
        with pytest.raises(UsageError, match="is no parameter: write NAME=VALUE"):
            executing.read_parameters([wrong], "")


def test_parameters_that_the_pipeline_does_not_take_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert executing.main(["training", "--environment", "dev", "-p", "Maping=x", "-p", "TrainUntil=soon"]) == 2
    said = capsys.readouterr().err
    assert "unknown: Maping; missing: RawUri, Mapping, EvaluateFrom; TrainUntil is 'soon'" in said
    assert "InputVersion; " not in said


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf"])
def test_hours_that_are_none_end_with_2(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = "RawUri=s3://bank/incoming Mapping=counterfoil-simulated"
    arguments = ["detection", "--environment", "dev", "--parameters", values, f"--hours={hours}"]
    assert executing.main(arguments) == 2
    assert "--hours is" in capsys.readouterr().err


@pytest.mark.usefixtures("aws")
def test_figures_that_are_not_there_are_none_also_for_a_role_that_may_not_list() -> None:
    def told(code: str) -> Place:
        place = Place(DEV)
        stubbed = Stubber(place.client("s3"))
        stubbed.add_client_error("get_object", service_error_code=code)
        stubbed.activate()
        return place

    assert executing.figures(told("AccessDenied"), "training", "e1") is None
    with pytest.raises(ClientError, match="SlowDown"):
        executing.figures(told("SlowDown"), "training", "e1")


def test_wrong_usage_of_execute_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert executing.main(["training", "--environment", "test"]) == 2
    assert "environment is 'test': there are dev, prod" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        executing.main(["neither", "--environment", "dev"])
    assert ended.value.code == 2
