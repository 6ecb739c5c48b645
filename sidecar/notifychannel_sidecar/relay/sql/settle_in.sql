SELECT
    -- our own name, so that people find us in pg_stat_activity
    set_config('application_name', $1, false),
    -- what others commit meanwhile is to be seen, also where the database would have it otherwise: 40001 is for nobody here
    set_config('default_transaction_isolation', 'read committed', false),
    -- what a crash undoes is in the outbox again, or gone with it: nobody has to wait for the disk, least of all the writers
    -- whose commits would wait behind ours
    set_config('synchronous_commit', 'off', false),
    -- the server lets go of whoever is gone: https://www.postgresql.org/docs/current/runtime-config-connection.html
    set_config('tcp_user_timeout', '10000', false),
    set_config('tcp_keepalives_idle', '5', false),
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false),
    -- a drain takes milliseconds: one that takes seconds must not look like a relay that stands still
    set_config('statement_timeout', '5s', false),
    set_config('idle_in_transaction_session_timeout', '5s', false)
