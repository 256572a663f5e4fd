-- How are the signals spread, and which share of each band is known to be fraud?
-- A band is a half of the logarithm to base 10 of the signal: most payments are far below 1 %.
-- greatest: with a null, Athena engine 3 (by its documentation) gives null, DuckDB 2.0.0 (tried) the other value.
-- Nothing here is null: every score has a signal. Both round log10 alike at powers of ten.
SELECT
  band,
  min(anomaly_signal) AS lowest,
  max(anomaly_signal) AS highest,
  count(*) AS payments,
  count(label) AS labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  sum(CASE WHEN label IS NOT NULL THEN anomaly_signal END) AS expected
FROM (
  SELECT
    anomaly_signal,
    label,
    CAST(floor(2 * log10(greatest(anomaly_signal, 0.00001))) AS integer) AS band
  FROM scored_payments
) AS signals
GROUP BY band
ORDER BY band
