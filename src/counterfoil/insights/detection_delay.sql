-- How many days after a fraud is it known, and which share of all known frauds is known by then?
-- Athena truncates date_diff to whole elapsed days; DuckDB counts midnights. Whole seconds mean the same on both.
SELECT
  days,
  frauds,
  sum(frauds) OVER (ORDER BY days) AS frauds_until_then,
  CAST(sum(frauds) OVER (ORDER BY days) AS double) / sum(frauds) OVER () AS share_until_then
FROM (
  SELECT CAST(floor(date_diff('second', event_time, known_at) / 86400.0) AS bigint) AS days, count(*) AS frauds
  FROM known_payments
  WHERE label = 1
  GROUP BY CAST(floor(date_diff('second', event_time, known_at) / 86400.0) AS bigint)
) AS delays
ORDER BY days
