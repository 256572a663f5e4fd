"""The log: one JSON object a line on standard error. It never stops the work that it records."""

import logging
import sys
from typing import TextIO, cast

import structlog

_lost = 0


def lost_lines() -> int:
    """How many lines of this process could not be written: the disk of the log was full, or its reader had gone."""
    return _lost


class ForgivingLines:
    """A text stream whose failures lose lines and raise nothing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write text, or count it as lost."""
        global _lost
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):  # ValueError: it is closed
            _lost += 1
        return len(text)

    def flush(self) -> None:
        """Do nothing: each write is flushed."""


def log_as_json(out: TextIO | None = None) -> None:
    """Log to standard error, or to `out`."""
    lines = cast(TextIO, ForgivingLines(out or sys.stderr))
    logging.basicConfig(level=logging.WARNING, stream=lines, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(lines),
    )
