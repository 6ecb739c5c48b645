-- The relay's, for this transaction, if nobody has it. Run by: anybody.
SELECT pg_catalog.pg_try_advisory_xact_lock(1852008556, 1)
