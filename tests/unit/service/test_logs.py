"""The log never stops the work that it tells of."""

from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from counterfoil.service.logs import log_as_json, lost_lines


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_loses_log_lines_and_nothing_else() -> None:
    before, config = lost_lines(), structlog.get_config()
    full = Path("/dev/full").open("w")  # noqa: SIM115 closing it writes once more, and fails
    try:
        log_as_json(full)
        structlog.get_logger().info("one")
        structlog.get_logger().info("two")
        assert lost_lines() == before + 2
    finally:
        structlog.configure(**config)
        with suppress(OSError):
            full.close()
