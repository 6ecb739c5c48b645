-- What a pass sets for its own session, after connecting, because poolers refuse some of it as startup parameters.
-- Run by: the installer. $1 text[]: names; $2 text[]: values.
SELECT pg_catalog.set_config(settings.name, settings.value, false)
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS settings (name, value);
