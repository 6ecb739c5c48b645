-- As a trigger function of a channel with `capture: Notify`, for which the NOTIFY queue has to have room. $1 text: the
-- PostgreSQL channel; $2 text: the rules; $3 text[]: what follows a payload's header. Run by: the installer, or anybody.
-- False: too full, nothing done.
SELECT CASE WHEN pg_catalog.pg_notification_queue_usage() <= 0.5 THEN (
    SELECT pg_catalog.count(pg_catalog.pg_notify($1::text, '1' || $2::text || 'U'
        || lpad((extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint::text, 16, '0') || b.body)) >= 0
    FROM pg_catalog.unnest($3::text[]) AS b (body)
) ELSE false END;
