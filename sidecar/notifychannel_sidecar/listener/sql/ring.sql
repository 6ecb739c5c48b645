-- The proof behind a pooler: a NOTIFY from a second connection, $1 the listener's private channel, $2 what must arrive.
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.pg_notify($1, $2) IS NULL
