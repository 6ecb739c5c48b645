-- One round trip: $1 the listener's private channel, $2 what must come back. With it the database's clock, how full
-- the NOTIFY queue is, and for changes whose NOTIFY was skipped: the oldest transaction that still runs, and an id above
-- those of all that have written something by now. That is our own, which NOTIFY takes anyway; a snapshot's xmax is no
-- such thing: it is one above the last that has *ended*.
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.clock_timestamp() AS at,
       pg_catalog.pg_notification_queue_usage() AS queue_usage,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint AS oldest_running,
       pg_catalog.pg_current_xact_id()::text::bigint AS transaction,
       pg_catalog.pg_notify($1, $2) IS NULL AS sent
