-- Made by `notifychannel sql`; for psql -f, may run again.
-- Run by: the role that SET LOCAL ROLE names below, a member of it, or a superuser.
-- Each BEGIN … COMMIT is one step. One that waits 200 ms for a lock fails, and nothing after it is run: run it again.
\set ON_ERROR_STOP on
