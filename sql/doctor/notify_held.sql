-- Sessions of any database that are in a transaction: each holds the lock on its own virtual transaction, which everybody
-- may see; kind, state, wait and age only who has pg_read_all_stats. Run by: anybody, reading only.
SELECT
    l.pid,
    l.virtualtransaction AS transaction,
    a.datname::text AS database,
    a.usename::text AS role,
    a.application_name AS application,
    a.state,
    a.wait_event AS wait,
    extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age_s,
    pg_catalog.starts_with(a.application_name, 'nch/') AS is_sidecar
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock'
    AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL
    AND a.pid <> pg_catalog.pg_backend_pid()
ORDER BY a.xact_start NULLS LAST, l.pid;
