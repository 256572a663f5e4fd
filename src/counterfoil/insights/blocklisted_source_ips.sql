-- Do payments from source IPs on blocklists turn out frauds more often, the more lists name the address?
-- 'blocklists' is null where the lake was curated without a list, and for addresses that cannot be read.
SELECT
  ips.blocklists,
  count(DISTINCT payments.source_ip_id) AS source_ips,
  count(DISTINCT payments.account_id) AS accounts,
  count(*) AS payments,
  count(payments.label) AS labelled,
  count(CASE WHEN payments.label = 1 THEN 1 END) AS frauds,
  CAST(count(CASE WHEN payments.label = 1 THEN 1 END) AS double) / nullif(count(payments.label), 0) AS fraud_rate
FROM known_payments AS payments
JOIN source_ips AS ips ON ips.source_ip_id = payments.source_ip_id
GROUP BY ips.blocklists
ORDER BY ips.blocklists DESC
