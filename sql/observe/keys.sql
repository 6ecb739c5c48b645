-- What tells a row from every other: unique indexes that hold for every row, at once, on plain columns.
-- Run by: the installer, reading only. $1 oid[]: tables.
SELECT
    i.indrelid AS table,
    i.indisprimary AS is_primary,
    keys.columns
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL (
    SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position) AS columns
    FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.position <= i.indnkeyatts
) AS keys
WHERE i.indrelid = ANY ($1::oid[])
    AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid;
