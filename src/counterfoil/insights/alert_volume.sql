-- How many alerts did the threshold of review raise on each day, against the number that people can look at?
SELECT
  event_date,
  count(*) AS scored,
  count(CASE WHEN anomaly_signal >= :review THEN 1 END) AS alerts,
  :alerts_per_day AS budget,
  count(CASE WHEN anomaly_signal >= :review THEN 1 END) - :alerts_per_day AS above_budget,
  CAST(count(CASE WHEN anomaly_signal >= :review THEN 1 END) AS double) / count(*) AS alert_share
FROM scored_once
GROUP BY event_date
ORDER BY event_date
