-- The triggers that call the given functions, wherever they are, clones on partitions too.
-- pg_get_triggerdef() would lock the table where there is a WHEN; the catalog alone doesn't.
-- Run by: anybody, reading only. $1 oid[]: functions.
SELECT
    t.tgfoid AS function,
    t.oid AS trigger,
    t.tgname::text AS trigger_name,
    c.oid AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    t.tgtype::int AS type,
    t.tgenabled::text AS firing,
    t.tgparentid <> 0 AS is_clone,
    t.tgoldtable::text AS old_table,
    t.tgnewtable::text AS new_table,
    CASE
        WHEN t.tgqual IS NULL THEN ''
        -- record_image_ne: two whole rows compared byte by byte, the only WHEN that is ours
        WHEN t.tgqual::text LIKE
            '{OPEXPR :opno ' || 'pg_catalog.*<>(record,record)'::regoperator::oid::text || ' %' THEN 'changed'
        ELSE 'other'
    END AS condition,
    t.tgconstraint = 0 AND t.tgattr::text = '' AND t.tgnargs = 0 AS is_plain
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.tgfoid = ANY ($1::oid[]) AND NOT (t.tgisinternal AND t.tgparentid = 0)
ORDER BY n.nspname, c.relname, t.tgname;
