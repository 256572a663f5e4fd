"""Alerts to a list of this process, or on to a function such as a log."""

from collections.abc import Callable

from counterfoil.ports.service import Alert


class ListedAlerts:
    """An AlertSink that keeps what it was sent, and hands it to `tell`."""

    def __init__(self, tell: Callable[[Alert], object] = lambda _: None) -> None:
        self.sent: list[Alert] = []
        self._tell = tell

    def send(self, alert: Alert) -> None:
        """Deliver one alert."""
        self._tell(alert)
        self.sent = [*self.sent[-99:], alert]

    def ping(self) -> None:
        """Answer, always."""
