-- Which database this is: the pair tells it from any other, whatever leads here. Run by: anybody, reading only; the
-- pg_control_ functions are open to everybody.
SELECT
    (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
    pg_catalog.current_database()::text AS dbname;
