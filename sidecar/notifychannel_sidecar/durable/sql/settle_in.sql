SELECT
    -- our own name, so that people find us in pg_stat_activity
    set_config('application_name', $1, false),
    -- what others commit meanwhile is to be seen, also where the database would have it otherwise: 40001 is for nobody here
    set_config('default_transaction_isolation', 'read committed', false),
    -- the server lets go of whoever is gone: https://www.postgresql.org/docs/current/runtime-config-connection.html
    set_config('tcp_user_timeout', '10000', false),
    set_config('tcp_keepalives_idle', '5', false),
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false),
    -- a claim takes milliseconds: it ends before those who count on its end begin
    set_config('statement_timeout', '4s', false),
    -- also where the database would have it shorter: a claim waits for a lock as long as for all else
    set_config('lock_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '4s', false)
