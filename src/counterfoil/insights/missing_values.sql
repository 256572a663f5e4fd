-- Which columns of the payments have no value, week by week?
SELECT
  CAST(date_trunc('week', event_date) AS date) AS week,
  count(*) AS payments,
  count(*) - count(amount) AS no_amount,
  count(*) - count(currency) AS no_currency,
  count(*) - count(account_id) AS no_account,
  count(*) - count(merchant_id) AS no_merchant,
  count(*) - count(category) AS no_category,
  count(*) - count(source_ip_id) AS no_source_ip,
  count(*) - count(device_id) AS no_device
FROM transactions
WHERE event_date >= :since AND event_date < :until
GROUP BY CAST(date_trunc('week', event_date) AS date)
ORDER BY week
