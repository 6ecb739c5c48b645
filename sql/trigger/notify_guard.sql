        -- A full queue would fail the user's COMMIT, so it is left alone early; the listeners see the sequence move.
        IF pg_notification_queue_usage() > 0.5
            OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE') THEN
            PERFORM nextval('notifychannel.skips');
            RETURN NULL;
        END IF;
