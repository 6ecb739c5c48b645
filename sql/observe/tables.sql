-- The tables of the given names, and what the installer may do with them. Run by: anybody, reading only.
-- $1 text[], $2 text[]: schemas and tables, pair by pair; $3 text: the installer.
SELECT
    c.oid AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relispartition AS is_partition,
    NOT c.relispartition
        AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid) AS inherits,
    c.relkind = 'r'
        AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid) AS inherited,
    n.nspname IN ('information_schema', 'notifychannel')
        OR pg_catalog.starts_with(n.nspname::text, 'pg_')
        OR c.relpersistence = 't' AS is_system,
    pg_catalog.has_schema_privilege($3::name, n.oid, 'USAGE') AS may_use_schema,
    pg_catalog.has_table_privilege($3::name, c.oid, 'TRIGGER') AS may_trigger,
    c.relrowsecurity AS row_security
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS wanted (schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
WHERE c.relkind NOT IN ('i', 'I', 't', 'c', 'S');
