-- Roles that listen, and which of our functions they may not call: to whom one of them was opened, or who enters our
-- schema and has a session that calls itself a proven listener. What a role has by another one counts. Run by: anybody,
-- reading only.
-- $1 text[]: names of all functions that listeners call, of which those count that are there.
SELECT
    r.rolname::text AS role,
    pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AS may_use,
    pg_catalog.array_agg(
        pg_catalog.format('notifychannel.%I(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)) ORDER BY p.proname
    ) FILTER (WHERE NOT pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')) AS lacking
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.proname = ANY ($1::text[])
CROSS JOIN pg_catalog.pg_roles AS r
WHERE n.nspname = 'notifychannel'
    AND (
        r.oid IN (
            SELECT acl.grantee
            FROM pg_catalog.pg_proc AS f CROSS JOIN LATERAL pg_catalog.aclexplode(f.proacl) AS acl
            WHERE f.pronamespace = n.oid AND f.proname = ANY ($1::text[]) AND acl.privilege_type = 'EXECUTE'
                AND acl.grantee <> f.proowner
        )
        OR pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AND r.oid IN (
            SELECT a.usesysid
            FROM pg_catalog.pg_stat_activity AS a
            WHERE a.datname = pg_catalog.current_database() AND pg_catalog.starts_with(a.application_name, 'nch/')
        )
    )
GROUP BY r.oid, r.rolname, n.oid
ORDER BY 1;
