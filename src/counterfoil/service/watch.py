"""Watch a stream: the scorer that HTTP uses, fed by records."""

import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from counterfoil.ports.service import KeptScore, PaymentStream, Record
from counterfoil.service.logs import log_as_json
from counterfoil.service.serving import Serving
from counterfoil.steps.scoring.consume import Consumed, Consumer
from counterfoil.workspace.wiring import Workspace

BURIED = "record buried"
"""The log's event for a record that is no payment: what an alarm counts (infra/parts/watch.py)."""
HISTORY_DEADLINE = timedelta(seconds=10)
"""How long a stream waits for what accounts did; a process's first question also opens its connections."""


def watch(
    place: Workspace,
    name: str,
    stream: PaymentStream,
    *,
    source_layout: bool,
    tell: Callable[[KeptScore], object] = lambda _: None,
) -> Consumed:
    """Score the payments of a stream until it ends, or a signal ends this process between two batches.

    Raises NotFoundError without a release.
    """
    log_as_json()
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    serving = Serving(place)
    place.online_scorer.warm_up(place.champion.current())
    # Nobody waits for an answer: better a score that is late than one without history.
    place.online_scorer.deadline = max(place.online_scorer.deadline, HISTORY_DEADLINE)
    serving.open()
    ahead = timedelta(hours=place.settings.service_clock_ahead_hours)
    consumer = Consumer(
        name, stream, place.checkpoints, place.online_scorer, place.pseudonym_key, source_layout, ahead, tell,
        tell_buried=_log_buried,
    )  # fmt: skip
    try:
        return consumer.run(ended.is_set)
    finally:
        serving.finish_alerts()
        serving.close()


def _log_buried(record: Record, reason: str) -> None:
    """Log where a record stands in its stream and why it was set aside; its content is nobody's business."""
    structlog.get_logger().warning(BURIED, shard=record.shard, sequence=record.sequence, reason=reason)


def told(score: KeptScore) -> None:
    """Print a score as a JSON line."""
    import json

    sys.stdout.write(json.dumps(dict(score.answer)) + "\n")
    sys.stdout.flush()
