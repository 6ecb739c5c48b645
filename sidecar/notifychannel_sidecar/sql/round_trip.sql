-- One round trip: $1 the listener's private channel, $2 what must come back. With it the database's clock, how full
-- the NOTIFY queue is, and the oldest transaction that still runs (for changes whose NOTIFY was skipped).
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.clock_timestamp() AS at,
       pg_catalog.pg_notification_queue_usage() AS queue_usage,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint AS oldest_running,
       pg_catalog.pg_notify($1, $2) IS NULL AS sent
