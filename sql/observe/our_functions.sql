-- Routines without arguments in our schema, ours or not, but for those of the outbox and the queue. Run by: anybody, reading only.
-- $1 text[]: only these names (NULL: all); $2 text: and those with this in their comment; $3 text[]: names of the queue's.
SELECT
    p.oid,
    p.proname::text AS name,
    owners.rolname::text AS owner,
    pg_catalog.obj_description(p.oid, 'pg_proc') AS comment,
    p.prosrc AS body,
    coalesce(p.proconfig, '{}') AS settings,
    p.prosecdef
        AND p.prokind = 'f'
        AND p.prorettype = CASE p.proname WHEN 'skipped' THEN 'int8' ELSE 'trigger' END::regtype
        AND l.lanname = CASE p.proname WHEN 'skipped' THEN 'sql' ELSE 'plpgsql' END AS is_shaped,
    pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE') AS is_public,
    EXISTS (
        SELECT FROM pg_catalog.aclexplode(p.proacl) AS acl WHERE acl.grantee NOT IN (p.proowner, 0)
    ) AS is_granted
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
JOIN pg_catalog.pg_roles AS owners ON owners.oid = p.proowner
WHERE n.nspname = 'notifychannel' AND p.pronargs = 0
    AND p.proname NOT IN ('relay_look', 'relay_waiting', 'outbox_size') AND NOT p.proname = ANY ($3::text[])
    AND (
        $1::text[] IS NULL
        OR p.proname = ANY ($1::text[])
        OR pg_catalog.strpos(pg_catalog.obj_description(p.oid, 'pg_proc'), $2::text) > 0
    )
ORDER BY p.proname;
