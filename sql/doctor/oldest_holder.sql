-- Who keeps dead rows of this database from being removed for longest: a session by its snapshot or transaction, a
-- prepared transaction, or a replication slot by what its standby reads (catalog_xmin keeps none of our tables' rows).
-- Run by: anybody, reading only. Source: https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
SELECT found.kind, found.name, found.age
FROM (
    SELECT 'session' AS kind, a.pid::text AS name,
        greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS age
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
    UNION ALL
    SELECT 'prepared', p.transaction::text, pg_catalog.age(p.transaction)
    FROM pg_catalog.pg_prepared_xacts AS p
    WHERE p.database = pg_catalog.current_database()
    UNION ALL
    SELECT 'slot', s.slot_name::text, pg_catalog.age(s.xmin)
    FROM pg_catalog.pg_replication_slots AS s
) AS found
WHERE found.age IS NOT NULL
ORDER BY found.age DESC
LIMIT 1;
