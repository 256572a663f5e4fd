-- Of the payments of each week, how many have a label that is known by now?
SELECT
  date_trunc('week', event_date) AS week,
  count(*) AS payments,
  count(label) AS labelled,
  CAST(count(label) AS double) / count(*) AS share_labelled,
  count_if(label = 1) AS frauds
FROM known_payments
GROUP BY date_trunc('week', event_date)
ORDER BY week
