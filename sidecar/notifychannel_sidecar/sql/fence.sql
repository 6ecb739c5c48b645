-- A transaction id above that of every transaction that has written something by now. A snapshot's xmax is no such
-- thing: it is one above the last that has *ended*. Costs an id, so it is asked for only when a NOTIFY was skipped.
-- Run by the listener, who needs no right for it but CONNECT.
SELECT pg_catalog.pg_current_xact_id()::text::bigint AS transaction
