-- Who holds a lock that our DDL had to wait for. What PostgreSQL hides from a plain role of other roles' sessions
-- (state, age) is NULL. Run by: the installer, reading only.
-- $1 oid[]: tables; $2 text[]: the lock modes that ours conflicts with; $3 bigint: the passes' lock.
SELECT DISTINCT
    l.pid,
    a.application_name,
    a.usename::text AS role,
    a.backend_type,
    a.state,
    EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age_s,
    l.locktype = 'advisory' AS is_a_pass
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted
    AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND (
        (l.locktype = 'relation' AND l.relation = ANY ($1::oid[]) AND l.mode = ANY ($2::text[]))
        OR (l.locktype = 'advisory' AND l.objsubid = 1
            AND l.classid::bigint = $3::bigint >> 32 AND l.objid::bigint = $3::bigint & 4294967295)
    )
ORDER BY age_s DESC NULLS LAST, l.pid;
