"""Analyses over HTTP: each request one process of the real CLI, known to whichever service is asked."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from counterfoil.service.access import new_token
from counterfoil.service.app import create_app

pytestmark = pytest.mark.xdist_group("service")
MAPPING = "counterfoil-simulated"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(scope="module")
def place(scoring_place: Any, inbox: Path) -> Any:
    return scoring_place.open(analyses_from=str(inbox), service_deadline_ms=60_000)


@pytest.fixture(scope="module")
def client(place: Any) -> Iterator[TestClient]:
    with TestClient(create_app(place)) as one:
        one.headers["Authorization"] = f"Bearer {new_token(place.tokens, 'operator', 'starter')}"
        yield one


def start(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/analyses", json={"mapping": MAPPING, **body})


def ended(client: TestClient, analysis_id: str) -> dict[str, Any]:
    """The analysis when it is no longer running."""
    for _ in range(600):
        found: dict[str, Any] = client.get(f"/v1/analyses/{analysis_id}").raise_for_status().json()
        if found["state"] != "running":
            return found
        time.sleep(0.2)
    raise AssertionError("it does not end")


def test_a_run_that_fails_says_why_also_to_a_service_that_was_started_later(
    client: TestClient, place: Any, inbox: Path, scoring_place: Any
) -> None:
    """The file is there when the request comes, and gone when the pipeline looks for it."""
    file = inbox / "gone.csv"
    file.write_text("payment_id\n")
    began = start(client, files=["gone.csv"])
    file.unlink()
    assert began.status_code == 200, began.text
    first = began.json()
    assert (first["state"], first["by"], first["release"]) == ("running", "starter", scoring_place.release_id)
    found = ended(client, first["analysis_id"])
    assert found["state"] == "failed"
    assert "no raw files under" in found["failure"]
    assert found["results"] is None
    later = scoring_place.open(analyses_from=str(inbox))
    with TestClient(create_app(later)) as other:
        other.headers["Authorization"] = f"Bearer {new_token(place.tokens, 'analyst', 'reader')}"
        assert other.get(f"/v1/analyses/{first['analysis_id']}").json() == found
        assert start(other, files=["gone.csv"]).status_code == 403  # an analyst looks, an operator starts


def test_the_same_request_is_one_analysis_and_a_killed_one_is_told(client: TestClient, place: Any, inbox: Path) -> None:
    (inbox / "day").mkdir()
    (inbox / "day" / "a.csv").write_text("payment_id\n")
    first, second = (start(client, prefix="day").json() for _ in range(2))
    assert first["analysis_id"] == second["analysis_id"]
    assert start(client, prefix=str(inbox / "day")).json()["analysis_id"] == first["analysis_id"]
    [child] = place.analyses._runner._children  # the process of all three requests
    os.kill(child.pid, signal.SIGKILL)
    assert ended(client, first["analysis_id"])["state"] in ("failed", "stopped")
    assert start(client, prefix="day").json()["state"] in ("failed", "stopped")  # never started anew by itself
    (inbox / "day" / "b.csv").write_text("payment_id\n")
    other = start(client, prefix="day").json()
    assert other["analysis_id"] != first["analysis_id"]  # other files, another analysis
    for process in place.analyses._runner._children:
        process.kill()
    assert ended(client, other["analysis_id"])["failure"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"files": ["absent.csv"]}, "no such file"),
        ({"prefix": "absent"}, "no such folder"),
        ({"prefix": "empty"}, "no payment files"),
        ({"prefix": "linked"}, "a link leads outside"),
        ({"files": ["/etc/passwd"]}, "outside of what the service may read"),
        ({"files": ["../x.csv"]}, "outside of what the service may read"),
        ({"prefix": "empty/../empty"}, "outside of what the service may read"),
        ({"files": ["here.csv"], "mapping": "no-such-mapping"}, "no such mapping: use one of"),
        ({"files": ["here.csv"], "release": "no-such-release"}, "no-such-release"),
        ({"files": ["here.csv"], "since": "2026-01-02", "until": "2026-01-01"}, "after it ends"),
        ({"files": ["here.csv"], "prefix": "empty"}, "schema"),
        ({}, "schema"),
    ],
)
def test_what_cannot_be_started_is_refused_in_words(
    client: TestClient, inbox: Path, body: dict[str, Any], words: str
) -> None:
    (inbox / "empty").mkdir(exist_ok=True)
    (inbox / "linked").mkdir(exist_ok=True)
    (inbox / "here.csv").write_text("payment_id\n")
    if not (inbox / "linked" / "x.csv").is_symlink():
        (inbox / "linked" / "x.csv").symlink_to("/etc/hostname")
    answer = start(client, **body)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]


def test_an_unknown_analysis_is_not_found(client: TestClient) -> None:
    answer = client.get(f"/v1/analyses/a{'0' * 32}")
    assert answer.status_code == 404
    assert "POST /v1/analyses" in answer.json()["detail"]
