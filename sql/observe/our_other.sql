-- One routine without arguments in our schema that is none of these, and none of the outbox's or the queue's.
-- Run by: anybody, reading only.
-- $1 text[]: their names; $2 text[]: those of the queue's.
SELECT p.proname::text
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'notifychannel' AND p.pronargs = 0
    AND p.proname NOT IN ('relay_look', 'relay_waiting', 'outbox_size') AND NOT p.proname = ANY ($2::text[])
    AND NOT p.proname = ANY ($1::text[])
LIMIT 1;
