-- How many accounts were active in each week, how many of them were new, and how many had been dormant?
-- New: the account's first payment in the lake. Dormant: no payment in the 28 days before the first of this week.
-- Weeks begin on Monday (UTC). The first weeks of a lake have new accounts only because nothing is older.
-- date_diff of dates, and weeks from Monday, are the same on Athena engine 3 (by its documentation) and DuckDB 2.0.0
-- (tried).
SELECT
  CAST(date_trunc('week', event_date) AS date) AS week,
  count(DISTINCT account_id) AS active,
  count(DISTINCT CASE WHEN previous IS NULL THEN account_id END) AS new,
  count(DISTINCT CASE WHEN date_diff('day', previous, event_date) > 28 THEN account_id END) AS back_from_dormancy,
  count(*) AS days_with_payments
FROM (
  SELECT
    account_id,
    event_date,
    lag(event_date) OVER (PARTITION BY account_id ORDER BY event_date) AS previous
  FROM (
    SELECT DISTINCT account_id, event_date
    FROM transactions
    WHERE account_id IS NOT NULL AND event_date < :until
  ) AS days
) AS visits
WHERE event_date >= :since
GROUP BY CAST(date_trunc('week', event_date) AS date)
ORDER BY week
