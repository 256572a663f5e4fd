-- How many payments were made on each day, how many of them are known frauds, and what was lost?
SELECT
  event_date,
  currency,
  count(*) AS payments,
  sum(amount) AS volume,
  count(label) AS labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN label = 1 THEN 1 END) AS double) / nullif(count(label), 0) AS fraud_rate,
  sum(CASE WHEN label = 1 THEN amount END) AS loss
FROM known_payments
GROUP BY event_date, currency
ORDER BY event_date, currency
