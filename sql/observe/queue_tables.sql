-- Whether all tables are there from which consumers are read, and the current role may. Run by: anybody, reading only.
SELECT pg_catalog.count(*) = 6
FROM (VALUES ('consumer'), ('queue'), ('claimer'), ('audited'), ('fence'), ('outbox_logged')) AS each (name)
WHERE pg_catalog.has_table_privilege(pg_catalog.to_regclass('notifychannel.' || each.name), 'SELECT');
