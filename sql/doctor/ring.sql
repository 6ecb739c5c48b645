-- A NOTIFY that nobody hears, for the warning that the server answers with where its queue is half full. Run by: anybody.
-- $1 text: a channel of our own.
SELECT pg_catalog.pg_notify($1::text, '') IS NULL;
