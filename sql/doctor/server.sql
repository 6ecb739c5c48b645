-- The server, and who is asking. Run by: anybody, reading only.
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version,
    pg_catalog.pg_is_in_recovery() AS is_standby,
    pg_catalog.current_database()::text AS dbname,
    pg_catalog.getdatabaseencoding()::text AS encoding,
    (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
    current_user::text AS role,
    r.rolname::text AS schema_owner,
    n.oid IS NULL OR pg_catalog.pg_has_role(current_user, n.nspowner, 'MEMBER') AS is_installer,
    pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions
FROM (VALUES (1)) AS one (row)
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'notifychannel'
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner;
