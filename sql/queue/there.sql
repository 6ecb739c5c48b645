-- What a database has of ours. Run by: anybody, reading only.
SELECT pg_catalog.to_regclass('notifychannel.outbox') IS NOT NULL AS has_outbox,
    pg_catalog.to_regclass('notifychannel.consumers') IS NOT NULL AS has_queue,
    pg_catalog.to_regclass('notifychannel.outbox') IS NOT NULL AND pg_catalog.has_table_privilege(
        'notifychannel.outbox', 'INSERT'
    ) AS may_append;
