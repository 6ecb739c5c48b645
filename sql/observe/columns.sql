-- The columns of the given tables in their order. Run by: anybody, reading only.
-- $1 oid[]: tables; $2 text: the installer.
SELECT
    a.attrelid AS table,
    a.attname::text AS name,
    a.atttypid AS type,
    a.attnotnull AS not_null,
    a.attgenerated::text AS generated,
    a.attcollation AS collation,
    coalesce(coll.collisdeterministic, true) AS deterministic,
    pg_catalog.has_column_privilege($2::name, a.attrelid, a.attnum, 'SELECT') AS selectable
FROM pg_catalog.pg_attribute AS a
LEFT JOIN pg_catalog.pg_collation AS coll ON coll.oid = a.attcollation
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;
