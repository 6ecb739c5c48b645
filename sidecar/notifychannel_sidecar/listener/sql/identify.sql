-- Which server and database answered, and whether something stands between: the process id that a pooler
-- announced at connecting is not the one of the server process.
-- Run by the listener, who needs no right for it but CONNECT. The pg_control_ functions are open to everybody.
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_database()::text AS dbname,
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
       (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()) AS timeline,
       pg_catalog.pg_backend_pid() AS pid
