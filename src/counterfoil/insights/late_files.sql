-- Which files brought payments late: more than two days before the newest payment of the same file?
-- date_diff: Athena engine 3 (by its documentation) counts elapsed units, DuckDB 2.0.0 (tried) the borders between;
-- of whole seconds both are equal. Athena reads times by the millisecond.
SELECT
  source,
  count(*) AS payments,
  min(event_time) AS first_payment,
  max(newest) AS last_payment,
  count(CASE WHEN date_diff('second', event_time, newest) > 172800 THEN 1 END) AS late,
  CAST(count(CASE WHEN date_diff('second', event_time, newest) > 172800 THEN 1 END) AS double) / count(*) AS share_late
FROM (
  SELECT
    source,
    date_trunc('second', event_time) AS event_time,
    max(date_trunc('second', event_time)) OVER (PARTITION BY source) AS newest
  FROM transactions
  WHERE event_date >= :since AND event_date < :until
) AS arrivals
GROUP BY source
ORDER BY late DESC, payments DESC, source
LIMIT :top
