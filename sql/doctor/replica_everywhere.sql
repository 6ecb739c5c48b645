-- Whether it is set in the server's configuration. Run by: anybody, reading only.
SELECT pg_catalog.bool_or(s.reset_val = 'replica' AND s.source = 'configuration file')
FROM pg_catalog.pg_settings AS s WHERE s.name = 'session_replication_role';
