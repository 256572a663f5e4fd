"""One payment, scored over the public address as a payment system would."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.deploy.place import DeployError, Place

_SECONDS = 20
_TRIES = 6
"""API Gateway learns of new tasks from Cloud Map within seconds: the first request may come too early."""


def payment(now: datetime) -> dict[str, Any]:
    """A request with a made-up payment of an account that does not exist; its id tells where it is from."""
    made_up = {
        "transaction_id": f"smoke-test-{now:%Y%m%dT%H%M%S}",
        "event_time": now.isoformat(),
        "amount": "12.50",
        "currency": "EUR",
        "account": "smoke-test",
        "merchant": "smoke-test",
    }
    return {"payments": [made_up]}


def smoke_test(place: Place, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask for health and for a score. Raises DeployError with what was answered."""
    address = place.output("scoring", "Address")
    for left in reversed(range(_TRIES)):
        try:
            _ask(place, "GET", f"{address}/healthz", None)
            answer = _ask(place, "POST", f"{address}/v1/score", payment(datetime.now(UTC)))
            break
        except DeployError:
            if not left:
                raise
            pause(5)
    require_score(answer)


def require_score(answer: Mapping[str, Any]) -> None:
    """Raise DeployError unless this is a score between 0 and 1 that names its release."""
    scored: Mapping[str, Any] = next(iter(answer.get("scores", [])), {})
    signal, release = scored.get("anomaly_signal"), scored.get("release_id")
    if not isinstance(signal, int | float) or not 0 <= signal <= 1 or not release:
        raise DeployError(
            f"the service answered without a score (anomaly_signal {signal!r}, release_id {release!r}): look at its log"
        )


def _ask(place: Place, method: str, url: str, content: Mapping[str, Any] | None) -> Mapping[str, Any]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    body = None if content is None else json.dumps(content)
    request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
    credentials = place.client("sts")._request_signer._credentials
    SigV4Auth(credentials, "execute-api", place.environment.region).add_auth(request)
    sent = urllib.request.Request(
        url, data=None if body is None else body.encode(), headers=dict(request.headers), method=method
    )
    try:
        with urllib.request.urlopen(sent, timeout=_SECONDS) as answer:
            return dict(json.loads(answer.read() or b"{}"))
    except urllib.error.HTTPError as error:
        raise DeployError(f"{method} {url} answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise DeployError(f"{method} {url} did not answer ({error})") from None
