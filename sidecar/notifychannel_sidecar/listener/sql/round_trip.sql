-- One round trip: $1 the listener's private channel, $2 what must come back, $3 whether it matters who writes. With it the database's clock, how full
-- the NOTIFY queue is, and for changes whose NOTIFY was skipped: the oldest transaction that still runs, and an id above
-- those of all that have written something by now. That is our own, which NOTIFY takes anyway; a snapshot's xmax is no
-- such thing: it is one above the last that has *ended*.
-- Where $3, a statement that writes counts as running since its snapshot: one that has not changed a row yet has no
-- transaction id, and may run the trigger function as it was when it began. pg_locks and these columns of
-- pg_stat_activity are open to everybody; the ids there have 32 bits, so they are counted back from our own. Less 1: a
-- snapshot whose oldest is our own id was taken before we took it.
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.clock_timestamp() AS at,
       pg_catalog.pg_notification_queue_usage() AS queue_usage,
       least(
           pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint,
           CASE WHEN $3 THEN (
               SELECT min(own.id - (((own.id - a.backend_xmin::text::bigint + 2147483648) & 4294967295) - 2147483648)) - 1
               FROM pg_catalog.pg_stat_activity AS a,
                    (SELECT pg_catalog.pg_current_xact_id()::text::bigint AS id) AS own
               WHERE a.backend_xmin IS NOT NULL AND a.datname = pg_catalog.current_database()
                   AND a.pid <> pg_catalog.pg_backend_pid()
                   AND a.pid IN (
                       SELECT l.pid FROM pg_catalog.pg_locks AS l
                       WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
                   )
           ) END
       ) AS oldest_running,
       pg_catalog.pg_current_xact_id()::text::bigint AS transaction,
       pg_catalog.pg_notify($1, $2) IS NULL AS sent
