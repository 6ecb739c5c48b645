-- Names of the proven listeners of some groups in this database. Run by: anybody, reading only; application_name of
-- other roles' sessions is open to everybody: https://www.postgresql.org/docs/current/monitoring-stats.html
-- $1 text[]: what the names begin with; $2 int: how many at most, for anybody may call a session so.
SELECT DISTINCT a.application_name AS name
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND EXISTS (
        SELECT FROM pg_catalog.unnest($1::text[]) AS prefix WHERE pg_catalog.starts_with(a.application_name, prefix)
    )
LIMIT $2;
