"""The columns of `evidence` that are no features."""

CYCLES = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
"""Time of the day and of the week on the circle (UTC)."""

PASSED_ON = (
    "transaction_id", "event_time", "account_id", "merchant_id", "category", "currency", "label", "known_at",
)  # fmt: skip
"""Columns of `evidence` that identify a payment and its label; all others are evidence."""
