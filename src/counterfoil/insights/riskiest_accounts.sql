-- Which accounts have most payments above the threshold of review, and how many of those are known frauds?
-- Accounts are pseudonyms. An amount is summed within one currency only: an account has a row for each of its own.
SELECT
  account_id,
  currency,
  count(*) AS payments,
  count(CASE WHEN anomaly_signal >= :review THEN 1 END) AS alerts,
  max(anomaly_signal) AS highest_signal,
  sum(CASE WHEN anomaly_signal >= :review THEN amount END) AS amount_alerted,
  count(CASE WHEN label = 1 THEN 1 END) AS frauds,
  max(event_time) AS last_payment
FROM scored_payments
WHERE account_id IS NOT NULL
GROUP BY account_id, currency
ORDER BY alerts DESC, highest_signal DESC, account_id, currency
LIMIT :top
