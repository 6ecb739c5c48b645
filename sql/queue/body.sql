-- The text of a trigger function of ours. $1 text: its name. Run by: anybody, reading only.
SELECT p.prosrc
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'notifychannel' AND p.proname = $1::text AND p.pronargs = 0;
