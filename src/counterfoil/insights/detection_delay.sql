-- How many days after a fraud is it known, and which share of all known frauds is known by then?
-- date_diff: Athena engine 3 (by its documentation) counts elapsed units, DuckDB 2.0.0 (tried) the borders between;
-- of whole seconds both are equal. Athena divides by 86400.0 to one decimal place and rounds, hence the double.
SELECT
  days,
  frauds,
  sum(frauds) OVER (ORDER BY days) AS frauds_until_then,
  CAST(sum(frauds) OVER (ORDER BY days) AS double) / sum(frauds) OVER () AS share_until_then
FROM (
  SELECT days, count(*) AS frauds
  FROM (
    SELECT
      CAST(floor(
        CAST(date_diff('second', date_trunc('second', event_time), date_trunc('second', known_at)) AS double) / 86400
      ) AS bigint) AS days
    FROM known_payments
    WHERE label = 1
  ) AS known_frauds
  GROUP BY days
) AS delays
ORDER BY days
