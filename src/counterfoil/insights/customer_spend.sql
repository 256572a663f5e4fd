-- Whose monthly spend changed most against the month before?
-- Months are whole calendar months (UTC); the first and the last of the period may be cut. Within one currency.
SELECT
  account_id,
  currency,
  month,
  payments,
  spend,
  spend_before,
  spend - spend_before AS change,
  CAST(spend AS double) / nullif(CAST(spend_before AS double), 0) AS ratio
FROM (
  SELECT
    account_id,
    currency,
    month,
    payments,
    spend,
    lag(spend) OVER (PARTITION BY account_id, currency ORDER BY month) AS spend_before
  FROM (
    SELECT account_id, currency, CAST(date_trunc('month', event_date) AS date) AS month, count(*) AS payments, sum(amount) AS spend
    FROM transactions
    WHERE account_id IS NOT NULL AND amount IS NOT NULL AND event_date >= :since AND event_date < :until
    GROUP BY account_id, currency, CAST(date_trunc('month', event_date) AS date)
  ) AS months
) AS changes
WHERE spend_before IS NOT NULL
ORDER BY abs(spend - spend_before) DESC, account_id, currency, month
LIMIT :top
