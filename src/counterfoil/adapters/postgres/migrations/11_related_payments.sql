-- Payments of one merchant, source IP or device about a time: what cases show as related.
CREATE INDEX service_score_merchant ON service_score ((payment ->> 'merchant_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'merchant_id' IS NOT NULL;
CREATE INDEX service_score_source_ip ON service_score ((payment ->> 'source_ip_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'source_ip_id' IS NOT NULL;
CREATE INDEX service_score_device ON service_score ((payment ->> 'device_id'), (payment ->> 'event_time'))
    WHERE payment ->> 'device_id' IS NOT NULL;
