-- The schema notifychannel and what all channels of a database share: a counter of skipped NOTIFYs, and the function
-- by which listeners read it. Triggers live in it too, but are made by a pass (or `notifychannel sql`), not here.
-- Idempotent:  psql -v ON_ERROR_STOP=1 -f 010_schema.sql
-- Run by: the installer. It needs CREATE on the database, or a schema that a DBA has made for it:
--     CREATE SCHEMA notifychannel AUTHORIZATION installer;

DO $schema$
BEGIN
    -- not CREATE SCHEMA IF NOT EXISTS, which asks for CREATE on the database even where the schema is there
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'notifychannel') THEN
        CREATE SCHEMA notifychannel;
        -- a pass that removes the last channel drops a schema with this comment, and no other
        COMMENT ON SCHEMA notifychannel IS 'made by NotifyChannel; dropped with its last channel';
    END IF;
END $schema$;

-- Bumped by a trigger that did not NOTIFY because the queue was more than half full. A sequence, for it neither waits
-- nor rolls back; CYCLE, for it must never raise.
CREATE SEQUENCE IF NOT EXISTS notifychannel.skips AS bigint CYCLE;

-- How many NOTIFYs were skipped so far. Listeners compare it with what they saw last, and resync when it differs.
CREATE OR REPLACE FUNCTION notifychannel.skipped() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $skipped$
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM notifychannel.skips
$skipped$;

REVOKE ALL ON FUNCTION notifychannel.skipped() FROM PUBLIC;
