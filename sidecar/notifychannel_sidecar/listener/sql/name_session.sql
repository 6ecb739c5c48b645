-- Names a proven session ($1, 63 bytes) and lets the server notice a listener that died silently: a dead one holds
-- the whole NOTIFY queue back. Set after connecting, because poolers refuse startup parameters. Every role may.
SELECT pg_catalog.set_config('application_name', $1, false),
       pg_catalog.set_config('tcp_keepalives_idle', '30', false),
       pg_catalog.set_config('tcp_keepalives_interval', '10', false),
       pg_catalog.set_config('tcp_keepalives_count', '3', false),
       pg_catalog.set_config('tcp_user_timeout', '60000', false),
       pg_catalog.set_config('idle_session_timeout', '0', false)
