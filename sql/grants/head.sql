-- The rights that NotifyChannel needs in this database, and no others. Idempotent:
--     psql -v ON_ERROR_STOP=1 -f this-file
-- Run by: a role that may grant them: a superuser, or the owner of the database and the tables who is also a member
-- of the installer's role. It makes no role. PostgreSQL grants CONNECT to PUBLIC unless that was revoked.
\set ON_ERROR_STOP on
BEGIN;

-- The installer: the role that owns the triggers' functions. It can act as every writer of these tables: protect it
-- like their owner.
