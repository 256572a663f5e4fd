"""Alerts to a webhook: each is a POST of JSON, signed where a key is shared."""

import hashlib
import hmac
import http.client
import json
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

from counterfoil.errors import StoreUnavailableError, UsageError
from counterfoil.ports.service import Alert

SIGNATURE = "X-Counterfoil-Signature"
"""'sha256=' and the HMAC-SHA256 (hex) of the body, by the shared key."""
SECONDS = 5.0
"""An answer that takes longer is none: other alerts wait behind it."""


class WebhookAlerts:
    """An AlertSink that posts to an address, of which messages name the host alone: its path may be a secret.

    Any answer of 2xx is a delivery; a redirect is not followed. Raises UsageError for an address that is not https,
    unless it is of this machine.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if not host or parts.username or (parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host))):
            raise UsageError("COUNTERFOIL_ALERTS_WEBHOOK is no https://HOST/PATH: give one (http for this machine)")
        self._host, self._port, self._plain = host, _port(address), parts.scheme == "http"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._key = None if key is None else key.encode()

    def send(self, alert: Alert) -> None:
        """Deliver one alert. Raises StoreUnavailableError; sending again after that may deliver it twice."""
        body = json.dumps(dict(alert.content), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "counterfoil"}
        if self._key is not None:
            headers[SIGNATURE] = f"sha256={hmac.new(self._key, body, hashlib.sha256).hexdigest()}"
        connection = self._connection()
        try:
            connection.request("POST", self._path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(type(error).__name__) from None
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise self._unavailable(f"it answered {status}")

    def ping(self) -> None:
        """Raise StoreUnavailableError if nothing listens there; nothing is sent."""
        connection = self._connection()
        try:
            connection.connect()
        except OSError as error:
            raise self._unavailable(type(error).__name__) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._plain:
            return http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=SECONDS, context=ssl.create_default_context()
        )

    def _unavailable(self, why: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"the webhook of alerts at {self._host} took none ({why}): alerts wait and are sent again; "
            "COUNTERFOIL_ALERTS_WEBHOOK says where"
        )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:
        raise UsageError("COUNTERFOIL_ALERTS_WEBHOOK has a port that is no number from 0 to 65535") from None
