-- The outbox: which version of 020_outbox.sql made it, a hash of what it made, the same hash of what is there now, and
-- whether all who may read the counter may also be the relay. Run by: anybody, reading only.
SELECT
    pg_catalog.obj_description(pg_catalog.to_regprocedure('notifychannel.relay_look()'), 'pg_proc') AS comment,
    (
%{state}
    ) AS state,
    NOT EXISTS (
        SELECT FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS acl
        CROSS JOIN (VALUES
            ('drain(xid8, xid8[], integer)'), ('collapse(bigint, xid8, integer)'), ('relay_look()'), ('relay_waiting()')
        ) AS ours (signature)
        WHERE n.nspname = 'notifychannel' AND p.proname = 'skipped' AND p.pronargs = 0
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee NOT IN (p.proowner, 0)
            AND NOT coalesce(pg_catalog.has_function_privilege(
                acl.grantee, pg_catalog.to_regprocedure('notifychannel.' || ours.signature), 'EXECUTE'
            ), false)
    ) AS is_open_to_listeners
