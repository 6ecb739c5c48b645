        -- What could keep us from appending: the table or our right on it is gone, or somebody alters it just now.
        LOCK TABLE notifychannel.%{outbox} IN ROW EXCLUSIVE MODE%{wait};
        -- While the relay is awake it holds the flag, and looks until all have ended who have an id by then; else it has
        -- to be woken. One expression, for nothing interrupts it: a lock that stayed would stay with the session.
        nch_rings := CASE
            WHEN has_table_privilege('notifychannel.%{outbox}'::regclass, 'INSERT') AND pg_current_xact_id() IS NOT NULL
            THEN pg_try_advisory_lock_shared(1852008556, 2) AND pg_advisory_unlock_shared(1852008556, 2) END;
        IF nch_rings IS NULL THEN
            RAISE EXCEPTION 'not our outbox any more';
        ELSIF nch_rings AND (
            pg_notification_queue_usage() > 0.5
            OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE')
        ) THEN
            PERFORM nextval('notifychannel.skips');
            nch_rings := false;
        END IF;
