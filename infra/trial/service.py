"""The image of the service: a workspace with a champion, and one payment scored over HTTP as a client would."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.deploy.smoke import payment, require_score
from infra.trial.buildah import ImageError, Started
from infra.trial.trial import MAPPING, Trial

_USER = 10001
_SECONDS = 120
"""As long as ECS gives the service to start."""
_BEFORE = (
    ("collect", "payments.csv", *MAPPING),
    ("features", *MAPPING),
    ("train", *MAPPING),
    ("profiles", "build"),
)


def serve(trial: Trial, image: str) -> Mapping[str, object]:
    """Train a release here, start the image on it, and ask for its health and for a score. Raises ImageError."""
    address = f"http://127.0.0.1:{_free_port(trial, image)}"
    place = trial.folder / image
    environment = {"COUNTERFOIL_WORKSPACE": str(place), "COUNTERFOIL_DATABASE_URL": trial.database}
    token = _prepared(place, trial.payments, environment)
    begun = time.monotonic()
    with trial.images.started(image, [trial.mount], environment) as process:
        _wait_for_health(process, address)
        ready = time.monotonic() - begun
        answer = _ask(f"{address}/v1/score", token, payment(datetime.now(UTC)))
    require_score(answer)
    return {"seconds to health": round(ready, 1), "score": answer["scores"][0]["anomaly_signal"]}


def _free_port(trial: Trial, image: str) -> int:
    """The port that the image listens on, which is one of this machine: it has no network of its own."""
    port = trial.images.port(image)
    with socket.socket() as tried:
        if tried.connect_ex(("127.0.0.1", port)) == 0:
            raise ImageError(f"port {port} of this machine is taken, and {image} listens there: free it")
    return port


def _prepared(place: Path, payments: bytes, environment: Mapping[str, str]) -> str:
    """Make a workspace with a release, which the image's user may write to; return a token for its service."""
    place.mkdir()
    (place / "payments.csv").write_bytes(payments)
    for command in _BEFORE:
        _counterfoil(place, command, environment)
    token = _counterfoil(place, ("token", "new", "score", "--name", "trial"), environment).strip()
    for path in (place, *place.rglob("*")):
        os.chown(path, _USER, _USER)
    return token


def _counterfoil(place: Path, command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "counterfoil.cli", *command],
        cwd=place, env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise ImageError(f"counterfoil {command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _wait_for_health(process: Started, address: str) -> None:
    for _ in range(_SECONDS):
        if process.ended():
            break
        try:
            _ask(f"{address}/healthz")
            return
        except OSError:
            time.sleep(1)
    raise ImageError(f"{address} gave no health within {_SECONDS} s:\n{process.said()}")


def _ask(url: str, token: str = "", content: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    body = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    asked = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return dict(json.loads(answer.read() or b"{}"))
