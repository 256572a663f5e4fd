"""What the service does, so that its fault points come in one order: its rounds once each, and a word of feedback."""

from collections.abc import Callable

SAY = "say-fraud"
"""What stands in place of a command: the service has none for feedback, as it comes over HTTP."""


class OneRound:
    """In place of a thread that goes on for ever: its work is done once, where the thread would start."""

    def __init__(self, *, args: tuple[Callable[[], object], float], **_: object) -> None:
        self.start, _seconds = args


def say_fraud(transaction_id: str) -> None:
    """Say that a payment was fraud, as a request does that may have been sent before, and settle what was said."""
    from counterfoil.domain.policy.verdicts import Verdict
    from counterfoil.service.serving import Serving
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace()
    serving = Serving(place)
    serving.say(transaction_id, Verdict.FRAUD, "ada", "a test", token=None, principal="ada")
    place.settling.settle()
    serving.close()
