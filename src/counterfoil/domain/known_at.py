"""When a label may be used, as SQL."""

from datetime import timedelta


def known_at(label_delay: timedelta) -> str:
    """max(label time, event time + label delay), over the columns `label_time` and `event_time`."""
    delay = f"INTERVAL '{round(label_delay.total_seconds() * 1e6)} microseconds'"
    return f"greatest(coalesce(label_time, event_time), event_time + {delay})"
