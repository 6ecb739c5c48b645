-- What a pass sets for its own session, after connecting, because poolers refuse some of it as startup parameters; and
-- whether the session is on a standby by now: the server, or the one that a pooler leads to, may have changed its part.
-- Run by: the installer. $1 text[]: names; $2 text[]: values.
SELECT
    pg_catalog.set_config(settings.name, settings.value, false),
    pg_catalog.pg_is_in_recovery() AS is_standby
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS settings (name, value);
