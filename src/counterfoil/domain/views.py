"""What insights ask again and again, as views over the tables, in Athena's dialect."""

SAID_LABELS = """
SELECT transaction_id, label, known_at
FROM (
  SELECT
    transaction_id, label, known_at, row_number() OVER (PARTITION BY transaction_id ORDER BY place DESC) AS from_last
  FROM (
    SELECT
      transaction_id, label, place,
      greatest(
        CASE
          WHEN said_at IS NULL THEN coalesce(label_time, event_time)
          WHEN earlier IS NULL THEN coalesce(label_time, said_at)
          ELSE greatest(coalesce(label_time, said_at), said_at)
        END,
        event_time + INTERVAL '1' SECOND * :label_delay
      ) AS known_at
    FROM (
      SELECT
        transaction_id, event_time, label, label_time, said_at,
        lag(label) OVER (PARTITION BY transaction_id ORDER BY said_at NULLS FIRST, sequence, said_by, label) AS earlier,
        row_number() OVER (PARTITION BY transaction_id ORDER BY said_at NULLS FIRST, sequence, said_by, label) AS place
      FROM (
        SELECT
          said.transaction_id, payments.event_time, said.label, said.label_time, said.said_at, said.sequence,
          said.said_by
        FROM labels AS said
        JOIN transactions AS payments ON payments.transaction_id = said.transaction_id
        WHERE payments.event_date >= :since AND payments.event_date < :until
        UNION ALL
        SELECT transaction_id, event_time, label, label_time, CAST(NULL AS timestamp) AS said_at, 0 AS sequence, ''
        FROM transactions
        WHERE event_date >= :since AND event_date < :until AND label IS NOT NULL
          AND transaction_id IN (SELECT transaction_id FROM labels)
      ) AS statements
    ) AS ordered
    WHERE earlier IS DISTINCT FROM label
  ) AS changes
  WHERE known_at <= :known_until
) AS counted
WHERE from_last = 1
"""
"""The view `said_labels`: the label at `:known_until` of each payment of which more was said than by its own file.

The rule is that of `domain.labels`, as a query that Athena takes too. A payment of which nothing that was said counts
yet has no row.
"""


_KNOWN_PAYMENTS = """
SELECT
  transaction_id, event_time, event_date, amount, currency, account_id, merchant_id, category, source_ip_id, source,
  CASE WHEN known_at <= :known_until THEN label END AS label,
  CASE WHEN known_at <= :known_until AND label IS NOT NULL THEN known_at END AS known_at
FROM (
  SELECT
    payments.transaction_id, payments.event_time, payments.event_date, payments.amount, payments.currency,
    payments.account_id, payments.merchant_id, payments.category, payments.source_ip_id, payments.source,
    {label} AS label,
    CASE
      {said}WHEN payments.label IS NOT NULL THEN greatest(
        coalesce(payments.label_time, payments.event_time), payments.event_time + INTERVAL '1' SECOND * :label_delay
      )
    END AS known_at
  FROM transactions AS payments{joined}
  WHERE payments.event_date >= :since AND payments.event_date < :until
) AS payments
"""
KNOWN_PAYMENTS = _KNOWN_PAYMENTS.format(
    label="CASE WHEN said.transaction_id IS NULL THEN payments.label ELSE said.label END",
    said="WHEN said.transaction_id IS NOT NULL THEN said.known_at\n      ",
    joined="\n  LEFT JOIN said_labels AS said ON said.transaction_id = payments.transaction_id",
)
"""The view `known_payments`, in Athena's dialect: payments beside the label that was known at `:known_until`.

The only place where insights read labels. `:since`, `:until` are dates, half-open; `:label_delay` is in seconds; times
are UTC without a zone. The rule is that of `domain.periods.known_at`. `greatest` is null in Athena where one value is
null, and ignores nulls in DuckDB: no value here can be null.
"""

KNOWN_BY_FILES = _KNOWN_PAYMENTS.format(label="payments.label", said="", joined="")
"""`known_payments` of a lake where nothing was said of payments but by their own files: no payment's id is read."""


SCORED_ONCE = """
SELECT
  transaction_id, event_time, CAST(event_time AS date) AS event_date, account_id, anomaly_signal, signal_kind, novelty,
  release_id, overlay_seq
FROM (
  SELECT
    transaction_id, event_time, account_id, anomaly_signal, signal_kind, novelty, release_id, overlay_seq,
    row_number() OVER (PARTITION BY transaction_id ORDER BY overlay_seq DESC, anomaly_signal DESC) AS place
  FROM scores
  WHERE release_id = :release
    AND event_time >= CAST(:since AS timestamp) AND event_time < CAST(:until AS timestamp)
) AS scored
WHERE place = 1
"""
"""The view `scored_once`, in Athena's dialect: each payment that `:release` scored, once, without its label.

A payment that was scored in several runs has the score that knew most feedback.
"""


SCORED_PAYMENTS = """
SELECT
  scored.transaction_id, scored.event_time, scored.event_date,
  coalesce(scored.account_id, payments.account_id) AS account_id, scored.anomaly_signal, scored.signal_kind,
  scored.novelty, scored.release_id, scored.overlay_seq, payments.amount, payments.currency, payments.merchant_id,
  payments.category, payments.source_ip_id, payments.label, payments.known_at
FROM scored_once AS scored
LEFT JOIN known_payments AS payments ON payments.transaction_id = scored.transaction_id
"""
"""The view `scored_payments`: `scored_once` beside `known_payments`. A score without its payment stays, with nulls."""

VIEWS = {
    "said_labels": SAID_LABELS, "known_payments": KNOWN_PAYMENTS, "scored_once": SCORED_ONCE,
    "scored_payments": SCORED_PAYMENTS,
}  # fmt: skip
"""What is made of tables and not stored, by name; a view may read those before it."""
