"""Whatever comes in, the service answers in words: never with a 500."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from starlette.testclient import TestClient

from counterfoil.service.access import new_token
from counterfoil.service.app import create_app
from counterfoil.service.models import FeedbackRequest, Problem, ScoreRequest

pytestmark = pytest.mark.xdist_group("service")
CALM = settings(
    max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
GOOD = {"transaction_id": "in-1", "event_time": "2024-02-13T03:00:00Z", "amount": "1.10", "currency": "EUR"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(scoring_place: Any) -> Iterator[TestClient]:
    place = scoring_place.open(service_deadline_ms=60_000, service_profile_deadline_ms=20_000)
    token = new_token(place.tokens, "operator", "inputs")
    with TestClient(create_app(place), raise_server_exceptions=False) as one:
        one.headers["Authorization"] = f"Bearer {token}"
        yield one
    with psycopg.connect(place.dsn) as connection:  # what was snoozed here is a policy, and other tests are without one
        connection.execute("DELETE FROM policy_entry")


def post(client: TestClient, body: bytes | str, path: str = "/v1/score", headers: dict[str, str] = JSON) -> Any:
    return client.post(path, content=body, headers=headers)


def test_the_examples_of_the_document_are_run(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for path, name in (("/v1/score", "ScoreRequest"), ("/v1/feedback", "FeedbackRequest")):
        answer = client.post(path, json=schemas[name]["example"])
        assert answer.status_code == 200, answer.text
    assert ScoreRequest.model_json_schema()["example"] == schemas["ScoreRequest"]["example"]
    assert FeedbackRequest.model_json_schema()["example"] == schemas["FeedbackRequest"]["example"]
    case, signed = "/v1/cases/{case_id}", "/v1/policy/proposals"
    assert {"/v1/score", "/v1/feedback", "/v1/transactions/{transaction_id}", "/v1/releases/current", "/healthz",
            "/readyz", "/metrics", "/v1/cases", case, f"{case}/assignment", f"{case}/notes", f"{case}/close",
            f"{case}/snooze", f"{case}/ring", f"{case}/ring/leave", "/v1/policy", signed,
            f"{signed}/{{version}}/approval", f"{signed}/{{version}}/shadow", "/v1/policy/rollback",
            "/v1/policy/snoozes", "/v1/analyses", "/v1/analyses/{id}"} == document["paths"].keys()  # fmt: skip


def test_schemathesis_finds_no_server_error(client: TestClient) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    called = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @CALM
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            called.add(case.operation.path)
            request = case.as_transport_kwargs(base_url="http://testserver")
            headers = {**dict(request.pop("headers")), **client.headers}
            request.pop("cookies", None)
            answer = client.request(
                request.pop("method"), request.pop("url"), headers=_latin(headers), follow_redirects=False,
                **{k: v for k, v in request.items() if k in ("json", "params", "content", "data")},
            )  # fmt: skip
            assert answer.status_code < 500 or answer.status_code == 503, answer.text

        call()
    assert "/v1/score" in called
    assert not_a_server_error is not None


def _latin(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value.isascii() and value.isprintable()}


WILD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just("x" * 5000),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(["NaN", "1e400", "-0", "9" * 18, "2024-13-45", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
                     "\u0000", "４５", "1.10 ", "EUR", "::1", "1" * 4000]),
)  # fmt: skip


@CALM
@given(changes=st.dictionaries(st.sampled_from([*ScoreRequest.model_fields, *GOOD, "account", "source_ip", "email",
       "card_number", "card_bin", "category", "evidence", "unknown"]), WILD, min_size=1, max_size=3),
       source=st.booleans())  # fmt: skip
def test_any_payment_has_an_answer_in_words(client: TestClient, changes: dict[str, Any], source: bool) -> None:
    body: dict[str, Any] = {"payments": [GOOD | {"transaction_id": "wild"} | changes]}
    if source:
        body["layout"] = "source"
    answer = post(client, json.dumps(body))
    assert answer.status_code in (200, 400, 409, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = Problem.model_validate(answer.json())
        assert problem.status == answer.status_code


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422), (b"{", 400), (b"\xff\xfe", 400), (b"null", 422), (b"[]", 422), (b'"x"', 422), (b"NaN", 400),
        (b'{"payments": [], "payments": []}', 400),
        (b'{"payments": []}', 422),
        (b'{"payments": [{"transaction_id": "n", "event_time": "2024-02-13", "amount": NaN}]}', 400),
        (b'{"payments": [{"transaction_id": "n", "event_time": "2024-02-13", "amount": 1.5}]}', 422),
        (b'{"payments": [{"transaction_id": "n", "event_time": "2024-02-13", "amount": ' + b"9" * 5000 + b"}]}", 400),
        (b'{"payments": [{"transaction_id": "\\u0000", "event_time": "2024-02-13"}]}', 400),
        (b'{"payments": [{"transaction_id": "\\ud800", "event_time": "2024-02-13"}]}', 400),
        (b'{"payments": ' + b"[" * 20 + b"]" * 20 + b"}", 400),
        (b'{"payments": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"payments": "' + b"x" * 1_100_000 + b'"}', 413),
        (json.dumps({"payments": [GOOD] * 501}).encode(), 422),
        (json.dumps({"payments": [GOOD | {"event_time": "2199-01-01T00:00:00Z"}]}).encode(), 422),
        (json.dumps({"payments": [GOOD | {"currency": "XXXX"}]}).encode(), 422),
        (json.dumps({"layout": "elsewhere", "payments": [GOOD]}).encode(), 422),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_in_words(client: TestClient, body: bytes, status: int) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert Problem.model_validate(answer.json()).detail


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    for kind in ("text/plain", "application/xml", "multipart/form-data"):
        assert post(client, b'{"payments": []}', headers={"Content-Type": kind}).status_code == 415
    assert client.request("TRACE", "/v1/score").status_code == 405
    assert client.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_an_error_quotes_no_value(client: TestClient) -> None:
    secret = "4111111111111111"
    for changes in ({"amount": secret + "x"}, {"event_time": secret}, {secret: "1"}, {"currency": secret}):
        answer = post(client, json.dumps({"payments": [GOOD | {"transaction_id": "q"} | changes]}))
        assert answer.status_code == 422
        if secret not in changes:
            assert secret not in answer.text, changes
