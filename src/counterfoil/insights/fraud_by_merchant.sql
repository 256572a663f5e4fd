-- At which merchants was most lost to frauds?
SELECT
  merchant_id,
  currency,
  count(*) AS payments,
  sum(amount) AS volume,
  count(label) AS labelled,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN label = 1 THEN 1 END) AS double) / nullif(count(label), 0) AS fraud_rate,
  sum(CASE WHEN label = 1 THEN amount END) AS loss
FROM known_payments
GROUP BY merchant_id, currency
ORDER BY loss DESC NULLS LAST, frauds DESC, payments DESC, merchant_id, currency
LIMIT :top
