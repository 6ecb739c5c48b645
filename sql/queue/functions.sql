-- The trigger functions of ours, and what their comments say. Run by: anybody, reading only.
SELECT p.prosrc AS body, pg_catalog.obj_description(p.oid, 'pg_proc') AS comment
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'notifychannel' AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype;
