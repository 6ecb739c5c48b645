-- Whose the outbox is; no row where there is none. Run by: anybody, reading only.
SELECT r.rolname::text AS owner
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
WHERE n.nspname = 'notifychannel' AND c.relname = 'outbox' AND c.relkind = 'r';
