-- Every partition below the given tables, and whether the installer may put a trigger on it. pg_partition_tree()
-- would lock each of them, and wait behind whoever holds one; the catalog alone doesn't.
-- Run by: anybody, reading only. $1 oid[]: partitioned tables; $2 text: the installer.
WITH RECURSIVE below AS (
    SELECT i.inhparent AS root, i.inhrelid AS oid
    FROM pg_catalog.pg_inherits AS i
    WHERE i.inhparent = ANY ($1::oid[]) AND NOT i.inhdetachpending
    UNION ALL
    SELECT below.root, i.inhrelid
    FROM below
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = below.oid AND NOT i.inhdetachpending
)
SELECT
    below.root,
    below.oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind <> 'p' AS is_leaf,
    pg_catalog.has_table_privilege($2::name, c.oid, 'TRIGGER') AS may_trigger,
    pg_catalog.has_schema_privilege($2::name, n.oid, 'USAGE') AS may_use_schema
FROM below
JOIN pg_catalog.pg_class AS c ON c.oid = below.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY below.root, n.nspname, c.relname;
