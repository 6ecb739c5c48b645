    SELECT pg_catalog.format(
        '%%s/%%s/%%s',
        (SELECT s.system_identifier FROM pg_catalog.pg_control_system() AS s),
        (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()),
        (
            SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'notifychannel' AND c.relname = 'queue'
        )
    )
