-- after waiting for the other pass, see what it did
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
-- never queue for long in front of the users' traffic: https://www.postgresql.org/docs/current/explicit-locking.html
SET LOCAL lock_timeout = '200ms';
-- names below are qualified; operators are PostgreSQL's own
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = 'warning';
-- the owner of what is made here
SET LOCAL ROLE %{role};
-- one pass at a time in this database
DO $lock$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(%{lock}); END $lock$;
