"""The app with all loaded and compiled that the first score would wait for."""

import gc

from fastapi import FastAPI

from counterfoil.service.app import create_app
from counterfoil.workspace.wiring import Workspace

COLLECTED_EVERY = 50_000
"""Garbage is looked for after so many more containers were made than let go: an answer has a hundred, and no cycle."""


def warm_app(place: Workspace, *, auth: bool) -> FastAPI:
    """The app of a workspace, ready to score. Raises NotFoundError without a release, and what loading one does."""
    place.online_scorer.warm_up(place.champion.current())
    look_for_garbage_rarely()
    return create_app(place, auth=auth)


def look_for_garbage_rarely() -> None:
    """Let the collector of cycles leave alone what is loaded by now, and look at what is new less often.

    Python's own thresholds are for programs that hold little: while the logs of new entities are read, it went through
    all that the process holds again and again, half of the time that the reading took.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_EVERY, 10, 10)
