-- What the listener's role may do of what it needs. Run by: anybody, reading only. $1 text: the role; $2 text[]: what it needs of the queue.
SELECT
    pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT') AS may_connect,
    coalesce(pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'), false) AS may_use,
    coalesce(pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE'), false) AS may_call,
    (
        SELECT pg_catalog.count(*) = 5
        FROM pg_catalog.pg_proc AS f
        WHERE f.pronamespace = n.oid AND pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')
            AND (f.proname::text, pg_catalog.oidvectortypes(f.proargtypes)) IN (
                ('drain', 'xid8, xid8[], integer, boolean'), ('collapse', 'bigint, xid8, integer'), ('relay_look', ''),
                ('relay_waiting', ''), ('relay_drained', 'xid8')
            )
    ) AS may_relay,
    (
        SELECT pg_catalog.count(*) = pg_catalog.cardinality($2::text[])
        FROM pg_catalog.pg_proc AS f
        WHERE f.pronamespace = n.oid AND pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')
            AND f.proname = ANY ($2::text[])
    ) AS may_claim
FROM pg_catalog.pg_roles AS r
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'notifychannel'
LEFT JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = 'skipped' AND p.pronargs = 0
WHERE r.rolname = $1::name;
