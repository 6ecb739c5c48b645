-- The rights that NotifyChannel needs in this database, and no others; all of them or, if one fails, none. Idempotent.
--     psql -v ON_ERROR_STOP=1 -f this-file
-- Run by: a superuser, or the owner of the database and the tables who is also a member of the installer's role.
-- It makes no role: CREATE ROLE … LOGIN PASSWORD … comes first. PostgreSQL lets PUBLIC connect unless that was revoked.
BEGIN;

-- The installer: the role that owns the triggers' functions. It can act as every writer of these tables: protect it
-- like their owner.
