-- Of the alerts of each week whose label is known, how many were frauds, and how many had the signals promised?
-- 'expected' sums the signals of those same alerts: it can be compared with 'frauds' where the signal is calibrated.
-- Labels of the last weeks are not all known yet: frauds are often labelled later than good payments.
SELECT
  CAST(date_trunc('week', event_date) AS date) AS week,
  count(*) AS alerts,
  count(label) AS labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN label = 1 THEN 1 END) AS double) / nullif(count(label), 0) AS precision_known,
  sum(CASE WHEN label IS NOT NULL THEN anomaly_signal END) AS expected,
  sum(anomaly_signal) / count(*) AS precision_expected
FROM scored_payments
WHERE anomaly_signal >= :review
GROUP BY CAST(date_trunc('week', event_date) AS date)
ORDER BY week
