-- Which source IPs did most accounts pay from, and how many of their payments are known frauds?
-- Addresses are pseudonyms; kind, country and network say what is known of the address.
SELECT
  payments.source_ip_id,
  ips.kind,
  ips.country,
  ips.network,
  ips.blocklists,
  count(DISTINCT payments.account_id) AS accounts,
  count(*) AS payments,
  count(payments.label) AS labelled,
  count(CASE WHEN payments.label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN payments.label = 1 THEN 1 END) AS double) / nullif(count(payments.label), 0) AS fraud_rate
FROM known_payments AS payments
LEFT JOIN source_ips AS ips ON ips.source_ip_id = payments.source_ip_id
WHERE payments.source_ip_id IS NOT NULL
GROUP BY payments.source_ip_id, ips.kind, ips.country, ips.network, ips.blocklists
HAVING count(DISTINCT payments.account_id) > 1
ORDER BY accounts DESC, frauds DESC, payments DESC, payments.source_ip_id
LIMIT :top
