-- Do payments look stranger, week by week, than the good payments that the release was calibrated on?
-- Novelty is a rank among those: were nothing changed, each tenth of it would hold a tenth of the good payments.
-- A tenth without a payment counts as one of 0.0001: it adds 0.1 * ln(1000).
-- greatest and least: with a null, Athena engine 3 (by its documentation) gives null, DuckDB 2.0.0 (tried) the other
-- value. Nothing here is null: every score has a novelty.
SELECT
  week,
  sum(payments) AS payments,
  sum(CASE WHEN tenth = 9 THEN payments ELSE 0 END) AS in_top_tenth,
  sum((share - 0.1) * ln(greatest(share, 0.0001) / 0.1)) + (10 - count(*)) * 0.1 * ln(1000)
    AS population_stability_index
FROM (
  SELECT
    week, tenth, payments, CAST(payments AS double) / sum(payments) OVER (PARTITION BY week) AS share
  FROM (
    SELECT
      CAST(date_trunc('week', event_date) AS date) AS week,
      CAST(least(floor(novelty * 10), 9) AS integer) AS tenth,
      count(*) AS payments
    FROM scored_once
    GROUP BY CAST(date_trunc('week', event_date) AS date), CAST(least(floor(novelty * 10), 9) AS integer)
  ) AS counts
) AS shares
GROUP BY week
ORDER BY week
