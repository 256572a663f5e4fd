-- Of the payments of each week, how many have a label that is known by now?
SELECT
  CAST(date_trunc('week', event_date) AS date) AS week,
  count(*) AS payments,
  count(label) AS labelled,
  CAST(count(label) AS double) / count(*) AS share_labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds
FROM known_payments
GROUP BY CAST(date_trunc('week', event_date) AS date)
ORDER BY week
