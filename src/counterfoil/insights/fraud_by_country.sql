-- From which countries do frauds come, by the country of the source IP?
-- A country is null where the lake was curated without a database of networks, and for private addresses.
SELECT
  ips.country,
  payments.currency,
  count(*) AS payments,
  sum(payments.amount) AS volume,
  count(payments.label) AS labelled,
  count(CASE WHEN payments.label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN payments.label = 1 THEN 1 END) AS double) / nullif(count(payments.label), 0) AS fraud_rate,
  sum(CASE WHEN payments.label = 1 THEN payments.amount END) AS loss
FROM known_payments AS payments
LEFT JOIN source_ips AS ips ON ips.source_ip_id = payments.source_ip_id
GROUP BY ips.country, payments.currency
ORDER BY loss DESC NULLS LAST, frauds DESC, payments DESC, ips.country, payments.currency
LIMIT :top
