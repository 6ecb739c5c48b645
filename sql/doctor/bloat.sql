-- Dead rows in our tables, by statistics. Run by: anybody, reading only.
SELECT
    t.relname::text AS name, t.n_live_tup AS live, t.n_dead_tup AS dead,
    pg_catalog.pg_total_relation_size(t.relid) AS size_bytes,
    pg_catalog.current_setting('autovacuum')::boolean AS is_on,
    coalesce((
        SELECT o.option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
        WHERE o.option_name = 'autovacuum_enabled'
    ), true) AS is_vacuumed
FROM pg_catalog.pg_stat_all_tables AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
WHERE t.schemaname = 'notifychannel'
ORDER BY t.relname;
