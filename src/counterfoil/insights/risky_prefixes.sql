-- From which network prefixes (/24 of IPv4, /48 of IPv6) do most known frauds come?
SELECT
  ips.prefix,
  count(DISTINCT payments.source_ip_id) AS source_ips,
  count(DISTINCT payments.account_id) AS accounts,
  count(*) AS payments,
  count(payments.label) AS labelled,
  count(CASE WHEN payments.label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN payments.label = 1 THEN 1 END) AS double) / nullif(count(payments.label), 0) AS fraud_rate
FROM known_payments AS payments
JOIN source_ips AS ips ON ips.source_ip_id = payments.source_ip_id
WHERE ips.prefix IS NOT NULL
GROUP BY ips.prefix
ORDER BY frauds DESC, accounts DESC, payments DESC, ips.prefix
LIMIT :top
