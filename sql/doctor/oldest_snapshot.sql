-- The session of this database with the oldest snapshot, older than ours. Run by: anybody, reading only.
SELECT a.pid AS holder, pg_catalog.age(a.backend_xmin) AS holder_age
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_xmin IS NOT NULL
ORDER BY pg_catalog.age(a.backend_xmin) DESC
LIMIT 1;
