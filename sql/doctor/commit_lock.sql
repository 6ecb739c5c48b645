-- Who waits to commit for another transaction that has NOTIFYed: PostgreSQL's lock on object 0 of pg_database (1262) in no
-- database (async.c, PreCommit_Notify). Run by: anybody, reading only; what the holder waits for is seen by pg_read_all_stats.
SELECT
    pg_catalog.count(*) FILTER (WHERE NOT l.granted)::int AS waiting,
    coalesce(
        extract(epoch FROM pg_catalog.clock_timestamp() - min(l.waitstart) FILTER (WHERE NOT l.granted)), 0
    )::float8 AS longest_s,
    pg_catalog.max(l.pid) FILTER (WHERE l.granted) AS holder,
    pg_catalog.max(a.wait_event) FILTER (WHERE l.granted) AS holder_wait
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'object' AND l.database = 0 AND l.classid = 1262 AND l.objid = 0 AND l.mode = 'AccessExclusiveLock';
