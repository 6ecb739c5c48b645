-- The names of all triggers on the given tables: a new one needs another. Run by: anybody, reading only.
-- $1 oid[]: tables and their partitions.
SELECT t.tgrelid AS table, t.tgname::text AS name, t.tgfoid AS function
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = ANY ($1::oid[])
ORDER BY t.tgrelid, t.tgname;
