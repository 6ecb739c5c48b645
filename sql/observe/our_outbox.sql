-- The outbox: which version of 020_outbox.sql made it, a hash of what it made, the same hash of what is there now, and
-- whether all who may read the counter may also be the relay. Run by: anybody, reading only.
SELECT
    (
        SELECT pg_catalog.obj_description(p.oid, 'pg_proc')
        FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'notifychannel' AND p.proname = 'relay_look' AND p.pronargs = 0
    ) AS comment,
    (
%{state}
    ) AS state,
    NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS acl
        WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee NOT IN (p.proowner, 0)
            AND 5 <> (
                SELECT pg_catalog.count(*)
                FROM pg_catalog.pg_proc AS f
                WHERE f.pronamespace = n.oid AND pg_catalog.has_function_privilege(acl.grantee, f.oid, 'EXECUTE')
                    AND (f.proname::text, pg_catalog.oidvectortypes(f.proargtypes)) IN (
                        ('drain', 'xid8, xid8[], integer, boolean'), ('collapse', 'bigint, xid8, integer'), ('relay_look', ''),
                        ('relay_waiting', ''), ('relay_drained', 'xid8')
                    )
            )
    ) AS is_open_to_listeners
