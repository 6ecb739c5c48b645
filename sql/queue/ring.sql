-- After rows were appended, in their transaction: wakes the relay where it sleeps, as a trigger function does.
-- Run by: the installer.
SELECT pg_catalog.pg_try_advisory_lock_shared(1852008556, 2) AND pg_catalog.pg_advisory_unlock_shared(1852008556, 2)
    AND pg_catalog.pg_notify('notifychannel_relay', '') IS NOT NULL;
