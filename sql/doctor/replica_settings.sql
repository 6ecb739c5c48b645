-- For whom session_replication_role is set to replica for good. Run by: anybody, reading only.
SELECT r.rolname::text AS role, d.datname::text AS database
FROM pg_catalog.pg_db_role_setting AS s
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
    AND 'session_replication_role=replica' = ANY (s.setconfig)
ORDER BY 1, 2;
