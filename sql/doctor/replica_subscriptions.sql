-- Subscriptions of this database that write to tables with triggers of ours that fire for others only. Run by: anybody,
-- reading only: of pg_subscription only the connection is hidden.
SELECT DISTINCT s.subname::text AS subscription, n.nspname || '.' || c.relname AS table
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_subscription_rel AS r ON r.srsubid = s.oid
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.srrelid AND t.tgenabled IN ('O', 'D')
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS ours ON ours.oid = p.pronamespace AND ours.nspname = 'notifychannel'
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE s.subenabled AND s.subdbid = (
    SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
)
ORDER BY 1, 2;
