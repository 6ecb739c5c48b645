-- Connections of the server, listeners of this database, and trigger functions of ours that NOTIFY by themselves.
-- The kind of other roles' processes is NULL to who has not pg_read_all_stats. Run by: anybody, reading only.
SELECT
    pg_catalog.current_setting('max_connections')::int
        - pg_catalog.current_setting('superuser_reserved_connections')::int
        - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS most,
    pg_catalog.count(*)::int AS used,
    (pg_catalog.count(*) FILTER (
        WHERE a.datname = pg_catalog.current_database() AND pg_catalog.starts_with(a.application_name, 'nch/')
    ))::int AS sidecars,
    (
        SELECT pg_catalog.count(*)::int
        FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'notifychannel' AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
            AND pg_catalog.strpos(p.prosrc, 'pg_notify') > 0
            AND pg_catalog.strpos(p.prosrc, 'notifychannel.outbox') = 0
    ) AS notifying
FROM pg_catalog.pg_stat_activity AS a
WHERE coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL;
