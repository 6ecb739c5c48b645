-- The server, the role whose rights count, and our schema. Run by: anybody, reading only.
-- $1 text: the role that is to own our objects; NULL: the current one. Of what 030_queue.sql makes, $2 text[]: `name kind`
-- of each relation, $3 text[]: names of the functions.
WITH named AS (
    SELECT oid, rolname, rolsuper FROM pg_catalog.pg_roles WHERE rolname = coalesce($1::name, current_user)
)
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version,
    pg_catalog.pg_is_in_recovery() AS is_standby,
    pg_catalog.current_database()::text AS dbname,
    pg_catalog.getdatabaseencoding()::text AS encoding,
    named.rolname::text AS role,
    named.rolsuper AS is_superuser,
    owners.rolname::text AS schema_owner,
    owners.rolsuper AS schema_owner_is_superuser,
    n.oid IS NOT NULL AND pg_catalog.pg_has_role(
        named.oid, n.nspowner,
        CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) AS may_become_owner,
    pg_catalog.obj_description(n.oid, 'pg_namespace') AS schema_comment,
    pg_catalog.has_database_privilege(named.oid, pg_catalog.current_database(), 'CREATE') AS may_create_schema,
    EXISTS (
        SELECT FROM pg_catalog.aclexplode(n.nspacl) AS acl WHERE acl.grantee <> n.nspowner
    ) AS schema_is_granted,
    ARRAY(
        SELECT c.relname::text FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relkind NOT IN ('i', 'I', 't')
            AND (c.relname, c.relkind) NOT IN (
                ('skips', 'S'), ('outbox', 'r'), ('outbox_logged', 'r'), ('relay_beats', 'S'), ('relay_rounds', 'S'),
                ('relay_position', 'S')
            )
            AND NOT c.relname || ' ' || c.relkind::text = ANY ($2::text[])
            AND NOT EXISTS ( -- of an identity column
                SELECT FROM pg_catalog.pg_depend AS d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'
            )
        UNION ALL
        SELECT p.proname::text FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid AND p.pronargs > 0
            AND (p.proname::text, pg_catalog.oidvectortypes(p.proargtypes)) NOT IN (
                ('drain', 'xid8, xid8[], integer, boolean'), ('collapse', 'bigint, xid8, integer'),
                ('relay_drained', 'xid8'), ('drain', 'xid8, xid8[], integer') -- of an older version
            )
            AND NOT p.proname = ANY ($3::text[])
        UNION ALL
        SELECT t.typname::text FROM pg_catalog.pg_type AS t
        WHERE t.typnamespace = n.oid AND t.typtype IN ('d', 'e')
    ) AS others,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relname = 'skips' AND c.relkind = 'S'
    ) AS has_counter,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND (c.relname, c.relkind) IN (
            ('outbox', 'r'), ('outbox_logged', 'r'), ('relay_beats', 'S'), ('relay_rounds', 'S'), ('relay_position', 'S')
        )
        UNION ALL
        SELECT FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid
            AND (p.proname::text, pg_catalog.oidvectortypes(p.proargtypes)) IN (
                ('drain', 'xid8, xid8[], integer, boolean'), ('collapse', 'bigint, xid8, integer'),
                ('relay_look', ''), ('relay_waiting', ''), ('relay_drained', 'xid8'), ('outbox_size', ''),
                ('drain', 'xid8, xid8[], integer') -- of an older version
            )
    ) AS has_outbox,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relname || ' ' || c.relkind::text = ANY ($2::text[])
        UNION ALL
        SELECT FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = n.oid AND p.proname = ANY ($3::text[])
    ) AS has_queue,
    EXISTS (
        SELECT FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid AND p.proname = 'skipped' AND p.pronargs = 0
            AND pg_catalog.obj_description(p.oid, 'pg_proc') = 'rules of database system '
                || (SELECT system_identifier FROM pg_catalog.pg_control_system()) || ' are being changed'
    ) AS is_changing
FROM named
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'notifychannel'
LEFT JOIN pg_catalog.pg_roles AS owners ON owners.oid = n.nspowner;
