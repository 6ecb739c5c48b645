-- Whether there is a queue. Run by: the installer, reading only.
SELECT pg_catalog.to_regprocedure('notifychannel.rules_settled()') IS NOT NULL
    AND pg_catalog.to_regprocedure('notifychannel.trim_queue(integer)') IS NOT NULL
    AND pg_catalog.to_regclass('notifychannel.consumers') IS NOT NULL;
