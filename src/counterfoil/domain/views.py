"""What insights ask again and again, as views over the tables, in Athena's dialect."""

KNOWN_PAYMENTS = """
SELECT
  transaction_id, event_time, event_date, amount, currency, account_id, merchant_id, category, source_ip_id, source,
  CASE WHEN known_at <= :known_until THEN label END AS label,
  CASE WHEN known_at <= :known_until THEN known_at END AS known_at
FROM (
  SELECT
    transaction_id, event_time, event_date, amount, currency, account_id, merchant_id, category, source_ip_id, source,
    label,
    CASE WHEN label IS NOT NULL
      THEN greatest(coalesce(label_time, event_time), event_time + INTERVAL '1' SECOND * :label_delay) END AS known_at
  FROM transactions
  WHERE event_date >= :since AND event_date < :until
) AS payments
"""
"""The view `known_payments`, in Athena's dialect: payments beside the label that was known at `:known_until`.

The only place where insights read labels. `:since`, `:until` are dates, half-open; `:label_delay` is in seconds; times
are UTC without a zone. The rule is that of `domain.periods.known_at`.
"""


SCORED_PAYMENTS = """
SELECT
  scored.transaction_id, scored.event_time, CAST(scored.event_time AS date) AS event_date,
  coalesce(scored.account_id, payments.account_id) AS account_id, scored.anomaly_signal, scored.signal_kind,
  scored.novelty, scored.release_id, scored.overlay_seq, payments.amount, payments.currency, payments.merchant_id,
  payments.category, payments.source_ip_id, payments.label, payments.known_at
FROM (
  SELECT
    transaction_id, event_time, account_id, anomaly_signal, signal_kind, novelty, release_id, overlay_seq,
    row_number() OVER (PARTITION BY transaction_id ORDER BY overlay_seq DESC, anomaly_signal DESC) AS place
  FROM scores
  WHERE release_id = :release
    AND event_time >= CAST(:since AS timestamp) AND event_time < CAST(:until AS timestamp)
) AS scored
LEFT JOIN known_payments AS payments ON payments.transaction_id = scored.transaction_id
WHERE scored.place = 1
"""
"""The view `scored_payments`, in Athena's dialect: each payment that `:release` scored, once, beside `known_payments`.

A payment that was scored in several runs has the score that knew most feedback. A score whose payment is gone stays,
with nulls.
"""

VIEWS = {"known_payments": KNOWN_PAYMENTS, "scored_payments": SCORED_PAYMENTS}
"""What is made of tables and not stored, by name; a view may read those before it."""
